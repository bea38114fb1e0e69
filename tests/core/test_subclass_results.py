"""Operations on a tensor subclass give the subclass, whatever the shape of their signature."""

import pytest

import rushlight as torch


class Named(torch.Tensor):
    pass


class NamedParameter(torch.Parameter):
    pass


CALLS = """
t.sum()
t.sum(0, dtype=torch.float64)
t.mean(1, keepdim=True)
t.std()
t + 1
t.t()
t.max(1).values
t.sort()[0]
t.topk(1).indices
t.split(1)[0]
torch.cat([t, t])
""".strip().splitlines()


@pytest.mark.parametrize("code", CALLS)
def test_results_have_the_class(code):
    t = torch.arange(4.0).view(2, 2).as_subclass(Named)
    result = eval(code)
    assert type(result) is Named
    assert (
        result.tolist() == eval(code, {"t": t.as_subclass(torch.Tensor), "torch": torch}).tolist()
    )


def test_printing():
    assert repr(torch.ones(2).as_subclass(Named)) == "Named([1., 1.])"
    shown = "Parameter containing:\nParameter(NamedParameter([1.], requires_grad=True))"
    assert repr(NamedParameter(torch.ones(1))) == shown
