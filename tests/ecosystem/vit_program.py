# needs: vit_pytorch einops
import torch
from vit_pytorch import ViT, SimpleViT
from vit_pytorch.cait import CaiT
from vit_pytorch.cct import CCT
from vit_pytorch.mae import MAE
from vit_pytorch.max_vit import MaxViT

torch.manual_seed(0)
x = torch.randn(2, 3, 32, 32)
v = ViT(image_size=32, patch_size=8, num_classes=5, dim=32, depth=2, heads=2, mlp_dim=64)
opt = torch.optim.Adam(v.parameters(), 1e-3)
for i in range(3):
    l = torch.nn.functional.cross_entropy(v(x), torch.tensor([1, 2]))
    opt.zero_grad()
    l.backward()
    opt.step()
    print(l.item())
print(
    SimpleViT(image_size=32, patch_size=8, num_classes=5, dim=32, depth=1, heads=2, mlp_dim=64)(x)
)
print(
    CaiT(
        image_size=32,
        patch_size=8,
        num_classes=5,
        dim=32,
        depth=1,
        cls_depth=1,
        heads=2,
        mlp_dim=32,
        layer_dropout=0.05,
    )(x)
)
print(
    CCT(
        img_size=32,
        embedding_dim=32,
        n_conv_layers=1,
        kernel_size=3,
        stride=1,
        padding=1,
        num_layers=1,
        num_heads=2,
        mlp_ratio=2.0,
        num_classes=5,
    ).eval()(x)
)
print(
    MaxViT(
        num_classes=5,
        dim_conv_stem=8,
        dim=8,
        dim_head=8,
        depth=(1, 1),
        window_size=4,
        mbconv_expansion_rate=2,
        mbconv_shrinkage_rate=0.25,
    ).eval()(torch.randn(1, 3, 32, 32))
)
