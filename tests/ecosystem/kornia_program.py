# needs: kornia kornia_rs
import torch, kornia as K
import kornia.augmentation as A

torch.manual_seed(0)
i = torch.rand(2, 3, 16, 16, requires_grad=True)
print(
    K.color.rgb_to_grayscale(i).sum(),
    K.color.rgb_to_hsv(i).sum(),
    K.color.rgb_to_lab(i).sum(),
    K.color.rgb_to_ycbcr(i).sum(),
)
print(
    K.filters.gaussian_blur2d(i, (3, 3), (1.0, 1.0)).sum(),
    K.filters.sobel(i).sum(),
    K.filters.laplacian(i, 3).sum(),
    K.filters.median_blur(i, (3, 3)).sum(),
    K.filters.canny(i)[0].sum(),
    K.filters.bilateral_blur(i, 3, 0.1, (1.0, 1.0)).sum(),
    K.filters.unsharp_mask(i, (3, 3), (1.0, 1.0)).sum(),
)
print(
    K.geometry.transform.rotate(i, torch.tensor([30.0, 45.0])).sum(),
    K.geometry.resize(i, (8, 8)).sum(),
    K.geometry.transform.warp_perspective(
        i, torch.eye(3)[None].repeat(2, 1, 1) * 1.01, (16, 16)
    ).sum(),
    K.geometry.hflip(i).sum(),
    K.geometry.transform.pyrdown(i).sum(),
)
print(
    K.enhance.adjust_brightness(i, 0.1).sum(),
    K.enhance.equalize(i).sum(),
    K.enhance.normalize(i, torch.zeros(3), torch.ones(3)).sum(),
    K.enhance.adjust_gamma(i, 2.0).sum(),
    K.enhance.sharpness(i, 0.5).sum(),
    K.enhance.equalize_clahe(i.detach()).sum(),
)
print(
    K.morphology.dilation(i, torch.ones(3, 3)).sum(),
    K.morphology.erosion(i, torch.ones(3, 3)).sum(),
    K.losses.ssim_loss(i, i.detach().flip(3), 5),
    K.losses.total_variation(i),
    K.metrics.psnr(i, i.detach() * 0.9, 1.0),
)
print(
    K.losses.focal_loss(
        torch.randn(2, 5, 3, 3), torch.randint(0, 5, (2, 3, 3)), alpha=0.5, reduction="mean"
    ),
    K.losses.dice_loss(torch.randn(2, 5, 3, 3), torch.randint(0, 5, (2, 3, 3))),
)
print(
    K.feature.harris_response(K.color.rgb_to_grayscale(i)).sum(),
    K.feature.SIFTDescriptor(16)(torch.rand(2, 1, 16, 16)).sum(),
)
H = K.geometry.find_homography_dlt(torch.rand(1, 6, 2), torch.rand(1, 6, 2))
print(H)
K.filters.gaussian_blur2d(i, (3, 3), (1.0, 1.0)).square().sum().backward()
print(i.grad.sum())
aug = A.AugmentationSequential(
    A.RandomHorizontalFlip(p=0.5),
    A.ColorJitter(0.1, 0.1, 0.1, 0.1, p=1.0),
    A.RandomAffine(20.0, p=1.0),
    A.RandomCrop((12, 12)),
    A.RandomErasing(p=1.0),
    data_keys=["input", "mask"],
)
torch.manual_seed(3)
o = aug(i.detach(), torch.ones(2, 1, 16, 16))
print(o[0].sum(), o[1].sum())
print(
    K.geometry.quaternion_to_rotation_matrix(torch.tensor([1.0, 0, 0, 0])),
    K.geometry.axis_angle_to_rotation_matrix(torch.tensor([[0.1, 0.2, 0.3]])),
)
