# needs: x_transformers einx loguru
import torch
from x_transformers import (
    TransformerWrapper,
    Decoder,
    Encoder,
    AutoregressiveWrapper,
    ViTransformerWrapper,
    XTransformer,
    ContinuousTransformerWrapper,
)

torch.manual_seed(0)
m = TransformerWrapper(
    num_tokens=20,
    max_seq_len=16,
    attn_layers=Decoder(
        dim=16,
        depth=2,
        heads=2,
        rotary_pos_emb=True,
        use_rmsnorm=True,
        ff_glu=True,
        attn_dim_head=8,
    ),
)
w = AutoregressiveWrapper(m)
x = torch.randint(0, 20, (2, 16))
opt = torch.optim.AdamW(w.parameters(), 1e-2)
for i in range(4):
    l = w(x)
    opt.zero_grad()
    l.backward()
    opt.step()
    print(l.item())
print(w.generate(x[:, :3], 5, temperature=0.0))
torch.manual_seed(1)
print(w.generate(x[:, :3], 5))
e = TransformerWrapper(
    num_tokens=20,
    max_seq_len=16,
    attn_layers=Encoder(
        dim=16,
        depth=1,
        heads=2,
        attn_flash=True,
        alibi_pos_bias=True,
        alibi_num_heads=1,
        attn_dim_head=8,
    ),
)
print(e(x, mask=torch.ones(2, 16).bool()).sum())
v = ViTransformerWrapper(
    image_size=16, patch_size=8, num_classes=3, attn_layers=Encoder(dim=16, depth=1, heads=2)
)
print(v(torch.randn(1, 3, 16, 16)))
xt = XTransformer(
    dim=16,
    enc_num_tokens=20,
    enc_depth=1,
    enc_heads=2,
    enc_max_seq_len=16,
    dec_num_tokens=20,
    dec_depth=1,
    dec_heads=2,
    dec_max_seq_len=16,
)
l = xt(x, x)
l.backward()
print(l)
