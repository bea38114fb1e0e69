"""The special functions against mpmath's 40 digits (recorded), PyTorch at the edges, and their
gradients.
"""

import math

import pytest

import rushlight as torch

inf, nan = math.inf, math.nan
special = torch.special

# name -> (arguments..., value): rounded from 40 digits.
# fmt: off
RECORDED = {
    "erf": [
        (-3.5, -0.9999992569016276),
        (-0.7, -0.6778011938374184),
        (1e-10, 1.1283791670955126e-10),
        (0.3, 0.3286267594591274),
        (1, 0.8427007929497149),
        (2.5, 0.999593047982555),
    ],
    "erfc": [
        (-2, 1.9953222650189528),
        (-0.2, 1.2227025892104784),
        (0.1, 0.887537083981715),
        (0.6, 0.3961439091520741),
        (3, 2.209049699858544e-05),
        (26, 5.663192408856143e-296),
    ],
    "erfcx": [
        (-3, 16205.988853999586),
        (-0.5, 1.952360489182557),
        (0, 1.0),
        (0.7, 0.525930337349441),
        (5, 0.11070463773306863),
        (40, 0.014100335983377814),
    ],
    "erfinv": [
        (-0.999999, -3.458910737275499),
        (-0.7, -0.7328690779592167),
        (0.1, 0.08885599049425769),
        (0.74, 0.7964788056117074),
        (0.76, 0.8308411284745602),
        (0.999, 2.3267537655135246),
    ],
    "ndtr": [
        (-30, 4.906713927148187e-198),
        (-3, 0.0013498980316300946),
        (-0.4, 0.3445782583896758),
        (0.8, 0.7881446014166034),
        (5, 0.9999997133484281),
    ],
    "ndtri": [
        (1e-300, -37.0470962993612),
        (1e-10, -6.361340902404057),
        (0.02, -2.053748910631823),
        (0.3, -0.5244005127080408),
        (0.9, 1.2815515655446006),
        (0.999, 3.090232306167813),
    ],
    "log_ndtr": [
        (-200, -20006.21728089819),
        (-5, -15.064998393988725),
        (-1, -1.8410216450092636),
        (0.5, -0.3689464152886564),
        (6, -9.865876455243758e-10),
    ],
    "gammaln": [
        (-2.5, -0.056243716497674054),
        (-0.3, 1.4648400508576025),
        (0.1, 2.252712651734206),
        (0.99, 0.005854806764709781),
        (1.5, -0.12078223763524522),
        (2.001, 0.000423106734800117),
        (4, 1.791759469228055),
        (9.7, 12.13108471078918),
        (12, 17.502307845873887),
        (100000.0, 1051287.7089736569),
    ],
    "digamma": [
        (-2.3, 3.3173231575618227),
        (0.01, -100.56088545786868),
        (1, -0.5772156649015329),
        (1.5, 0.03648997397857652),
        (8, 2.01564147795561),
        (12, 2.442661679975812),
        (1000000.0, 13.815510057964191),
    ],
    "i0": [
        (-3, 4.8807925858650245),
        (0, 1.0),
        (0.5, 1.0634833707413236),
        (8, 427.5641157218048),
        (8.5, 683.1619269901156),
        (60, 5.894077055609801e+24),
    ],
    "i0e": [
        (-3, 0.2430003541618254),
        (0, 1.0),
        (0.5, 0.6450352704491501),
        (8, 0.14343178185685032),
        (8.5, 0.13900184305484758),
        (600, 0.01629014665630598),
    ],
    "i1": [
        (-3, -3.9533702174026093),
        (0, 0.0),
        (0.5, 0.2578943053908963),
        (8, 399.8731367825601),
        (8.5, 641.6199025400667),
        (60, 5.844751588390468e+24),
    ],
    "i1e": [
        (-3, -0.19682671329730086),
        (0, 0.0),
        (0.5, 0.1564208031848717),
        (8, 0.13414249329269817),
        (8.5, 0.13054935509459586),
        (600, 0.016276565868339667),
    ],
    "bessel_j0": [
        (-9, -0.09033361118287614),
        (0, 1.0),
        (0.5, 0.9384698072408129),
        (5.5, -0.006843869417819197),
        (7.9, 0.19436184484127825),
        (8.1, 0.14751745404437766),
        (100, 0.019985850304223122),
    ],
    "bessel_j1": [
        (-9, -0.24531178657332528),
        (0, 0.0),
        (0.5, 0.2422684576748739),
        (5.5, -0.34143821542904335),
        (7.9, 0.2191793999217512),
        (8.1, 0.24760776698159287),
        (100, -0.07714535201411216),
    ],
    "bessel_y0": [
        (0.001, -4.471416611375923),
        (0.5, -0.44451873350670656),
        (5.5, -0.339480592881911),
        (7.9, 0.20652094814437577),
        (8.1, 0.23809132870223482),
        (100, -0.07724431336508315),
    ],
    "bessel_y1": [
        (0.001, -636.6221672311394),
        (0.5, -1.471472392670243),
        (5.5, -0.023758238956389618),
        (7.9, -0.18172107728057313),
        (8.1, -0.13314879595249593),
        (100, -0.020372312002759792),
    ],
    "modified_bessel_k0": [
        (0.001, 7.023688800562382),
        (0.5, 0.9244190712276659),
        (2, 0.11389387274953344),
        (2.1, 0.10078374088996693),
        (50, 3.4101677497894956e-23),
    ],
    "modified_bessel_k1": [
        (0.001, 999.9962381560856),
        (0.5, 1.656441120003301),
        (2, 0.13986588181652243),
        (2.1, 0.12274641153350789),
        (50, 3.4441022267175555e-23),
    ],
    "scaled_modified_bessel_k0": [
        (0.001, 7.030716002378251),
        (0.5, 1.5241093857739094),
        (2, 0.8415682150707714),
        (2.1, 0.8230171525316621),
        (800, 0.044304427486646016),
    ],
    "scaled_modified_bessel_k1": [
        (0.001, 1000.9967345590684),
        (0.5, 2.731009708211786),
        (2, 1.0334768470686886),
        (2.1, 1.0023680527405792),
        (800, 0.04433210911141211),
    ],
    "spherical_bessel_j0": [
        (-4, -0.18920062382698205),
        (0.1, 0.9983341664682815),
        (0.5, 0.958851077208406),
        (20, 0.045647262536381385),
    ],
    "airy_ai": [
        (-20, -0.1764061270779847),
        (-8.1, -0.14290814709358113),
        (-7.9, 0.041701883617386706),
        (-1, 0.5355608832923521),
        (0, 0.3550280538878172),
        (1.9, 0.0405944200315295),
        (2.1, 0.029952602115866523),
        (30, 3.2082175915504954e-49),
    ],
    "zeta": [
        (2, 1, 1.6449340668482264),
        (1.5, 0.3, 8.237761671459724),
        (7, 20, 3.0175102089090135e-09),
        (40, 2, 9.094947840263888e-13),
        (1.01, 3, 99.08139709077827),
    ],
    "gammainc": [
        (0.1, 0.2, 0.8794196267900568),
        (0.5, 3, 0.9856941215645704),
        (3, 2, 0.32332358381693654),
        (20, 30, 0.9781265315586092),
        (45, 40, 0.2343150527878218),
        (60, 70, 0.8976028505695168),
        (300, 290, 0.2861755102943037),
        (1000, 1700, 1.0),
    ],
    "gammaincc": [
        (0.1, 0.2, 0.12058037320994318),
        (0.5, 3, 0.01430587843542964),
        (3, 2, 0.6766764161830635),
        (20, 30, 0.021873468441390854),
        (45, 40, 0.7656849472121782),
        (60, 70, 0.10239714943048313),
        (300, 290, 0.7138244897056962),
        (1000, 1700, 4.978103302170433e-76),
    ],
    "chebyshev_polynomial_t": [
        (-1.25, 4, 8.03125),
        (-0.3, 9, -0.3888276480000001),
        (0.4, 3, -0.9440000000000001),
        (0.8, 20, 0.954251012138473),
        (2, 5, 362.0),
    ],
    "chebyshev_polynomial_u": [
        (-1.25, 4, 21.3125),
        (-0.3, 9, -0.09908889600000012),
        (0.4, 3, -1.088),
        (0.8, 20, 1.3529266103276103),
        (2, 5, 780.0),
    ],
    "chebyshev_polynomial_v": [
        (-1.25, 4, 31.9375),
        (-0.3, 9, 0.8667069439999998),
        (0.4, 3, -0.7280000000000001),
        (0.8, 20, 0.8545821125911888),
        (2, 5, 571.0),
    ],
    "chebyshev_polynomial_w": [
        (-1.25, 4, 10.6875),
        (-0.3, 9, -1.064884736),
        (0.4, 3, -1.448),
        (0.8, 20, 1.8512711080640318),
        (2, 5, 989.0),
    ],
    "shifted_chebyshev_polynomial_t": [
        (-1.25, 4, 1103.5),
        (-0.3, 9, -6183.032098815999),
        (0.4, 3, 0.5679999999999998),
        (0.8, 20, 0.9542510121384719),
        (2, 5, 3363.0),
    ],
    "hermite_polynomial_h": [
        (-1.25, 4, -23.9375),
        (-0.3, 9, -7010.2876584959995),
        (0.4, 3, -4.288),
        (0.8, 20, 358848462745.1508),
        (2, 5, -16.0),
    ],
    "hermite_polynomial_he": [
        (-1.25, 4, -3.93359375),
        (-0.3, 9, -250.390686483),
        (0.4, 3, -1.1360000000000001),
        (0.8, 20, -684120490.457276),
        (2, 5, -18.0),
    ],
    "laguerre_polynomial_l": [
        (-1.25, 4, 12.09130859375),
        (-0.3, 9, 5.743163126842187),
        (0.4, 3, 0.02933333333333329),
        (0.8, 20, 0.22537274726128545),
        (2, 5, 0.7333333333333333),
    ],
    "legendre_polynomial_p": [
        (-1.25, 4, 5.19677734375),
        (-0.3, 9, -0.06370038175781252),
        (0.4, 3, -0.44),
        (0.8, 20, 0.22420460541741333),
        (2, 5, 185.75),
    ],
}
POLYGAMMA = [
    (1, 0.3, 12.245364546107732),
    (1, -1.7, 14.632201633884014),
    (2, -0.6, -22.979869364319093),
    (2, 2.5, -0.2362040516417274),
    (3, 9.0, 0.0032343960459451037),
    (5, -3.2, 1875502.9539024786),
]
# fmt: on


@pytest.mark.parametrize("name", RECORDED)
def test_thirteen_digits(name):
    *columns, want = zip(*RECORDED[name], strict=True)
    arguments = [torch.tensor(c, dtype=torch.float64) for c in columns]
    got = getattr(special, name)(*arguments).tolist()
    # near a zero of the function (gammaln: 1 and 2) only the absolute error is small
    small = 1e-15 if name == "gammaln" else 1e-14 if "bessel" in name else 0
    assert got == pytest.approx(want, rel=1e-13, abs=small)


@pytest.mark.parametrize("name", RECORDED)
def test_single_precision(name):
    *columns, _ = zip(*RECORDED[name], strict=True)
    arguments = [torch.tensor(c, dtype=torch.float64) for c in columns]
    single = getattr(special, name)(*[a.to(torch.float32) for a in arguments])
    double = getattr(special, name)(*[a.to(torch.float32).to(torch.float64) for a in arguments])
    assert single.dtype is torch.float32
    assert torch.allclose(single, double.to(torch.float32), rtol=4e-7, atol=1e-7)


@pytest.mark.parametrize(("n", "x", "want"), POLYGAMMA)
def test_polygamma(n, x, want):
    got = torch.polygamma(n, torch.tensor(x, dtype=torch.float64)).item()
    assert got == pytest.approx(want, rel=1e-12)


def test_multivariate_gamma():
    got = torch.mvlgamma(torch.tensor([4.0], dtype=torch.float64), 2).item()
    want = 0.5 * math.log(math.pi) + math.lgamma(4) + math.lgamma(3.5)
    assert got == pytest.approx(want, rel=1e-14)


EDGES = [0.0, -0.0, 1.0, -1.0, -2.0, 0.5, -0.5, 2.0, 100.0, -100.0, 1e4, inf, -inf, nan]
# PyTorch's Bessel and Airy functions err by up to 1e-6 where they oscillate, and more far out.
LOOSE = {"airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1"}
ONE = [n for n in RECORDED if len(RECORDED[n][0]) == 2]
TWO = ["zeta", "gammainc", "gammaincc", "xlogy", "xlog1py"]


@pytest.mark.parametrize("name", [*ONE, "entr", "psi", "multigammaln", "expit", "sinc"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_edges_are_torchs(name, dtype):
    oracle = pytest.importorskip("torch")
    edges = EDGES if dtype != "int64" else [0, 1, -1, 2, 100, -100]
    edges = [e for e in edges if not (name in LOOSE and abs(e) > 1000 and e == e and abs(e) < inf)]
    extra = (2,) if name == "multigammaln" else ()
    got, want = (
        getattr(m.special, name)(m.tensor(edges, dtype=getattr(m, dtype)), *extra)
        for m in (torch, oracle)
    )
    assert str(got.dtype) == str(want.dtype)
    tolerance = {"rel": 1e-5 if name in LOOSE else 2e-6, "abs": 1e-5 if name in LOOSE else 1e-7}
    assert got.tolist() == pytest.approx(want.tolist(), nan_ok=True, **tolerance)


@pytest.mark.parametrize("name", TWO)
def test_edges_of_two_are_torchs(name):
    oracle = pytest.importorskip("torch")
    pairs = [(a, b) for a in EDGES for b in EDGES if a == a and b == b]
    if name == "zeta":
        pairs = [p for p in pairs if p[0] < inf]
    columns = list(zip(*pairs, strict=True))
    got, want = (
        getattr(m.special, name)(*[m.tensor(c, dtype=m.float64) for c in columns])
        for m in (torch, oracle)
    )
    # PyTorch's incomplete gamma functions have about nine digits where both arguments are 100
    assert got.tolist() == pytest.approx(want.tolist(), nan_ok=True, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("name", [n for n in RECORDED if "polynomial" in n])
def test_polynomials_at_the_edges(name):
    oracle = pytest.importorskip("torch")
    pairs = [(x, n) for x in (-2.0, -1.0, 0.0, 0.5, 1.0, 3.0) for n in (-1, 0, 1, 2, 7, 12)]
    columns = list(zip(*pairs, strict=True))
    got, want = (
        getattr(m.special, name)(*[m.tensor(c, dtype=m.float64) for c in columns])
        for m in (torch, oracle)
    )
    assert got.tolist() == pytest.approx(want.tolist(), rel=1e-10, abs=1e-12)


ONCE = "erf erfc erfcx erfinv ndtr ndtri log_ndtr gammaln digamma i0 i0e i1 i1e entr expit"
SMOOTH = dict.fromkeys(ONCE.split(" "), 1) | {"xlogy": 2, "xlog1py": 2}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_twice(name):
    x = torch.tensor([0.31, 0.62], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.47, 0.23], dtype=torch.float64, requires_grad=True)
    inputs = (x, y)[: SMOOTH[name]]
    assert torch.autograd.gradcheck(getattr(special, name), inputs)
    assert torch.autograd.gradgradcheck(getattr(special, name), inputs)


def test_gradients_of_one_argument():
    a = torch.tensor([1.5, 3.0], dtype=torch.float64)
    x = torch.tensor([0.7, 2.5], dtype=torch.float64, requires_grad=True)
    for f in (torch.igamma, torch.igammac, special.zeta):
        assert torch.autograd.gradcheck(lambda x, f=f: f(a, x), (x,))
    assert torch.autograd.gradcheck(lambda x: torch.polygamma(2, x), (x,))
    assert torch.autograd.gradcheck(lambda x: torch.mvlgamma(x + 1, 3), (x,))


def test_missing_gradients_say_so():
    a = torch.tensor([1.5], requires_grad=True)
    with pytest.raises(NotImplementedError, match="the derivative for 'igamma: input' is not"):
        torch.igamma(a, torch.tensor([1.0])).backward()
    assert not special.bessel_j0(a).requires_grad


def test_long_inputs_go_in_blocks():
    x = torch.linspace(-4, 4, 20001, dtype=torch.float64)
    whole = torch.erfc(x)
    parts = torch.cat([torch.erfc(part) for part in x.split(777)])
    assert torch.equal(whole, parts)


def test_refusals():
    with pytest.raises(RuntimeError, match="polygamma\\(n, x\\) does not support negative n"):
        torch.polygamma(-1, torch.ones(1))
    with pytest.raises(NotImplementedError, match='"erf_vml_cpu" not implemented for \'Complex'):
        torch.erf(torch.tensor([1j]))
    with pytest.raises(NotImplementedError, match="\"ndtri_cpu\" not implemented for 'Half'"):
        special.ndtri(torch.ones(1).half())
