# needs: transformers tokenizers regex huggingface_hub safetensors torch.cuda.CUDAGraph
import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    ViTConfig,
    ViTForImageClassification,
    T5Config,
    T5ForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    DistilBertConfig,
    DistilBertForQuestionAnswering,
)


def tiny(m):
    print(type(m).__name__, sum(p.numel() for p in m.parameters()))


torch.manual_seed(0)
ids = torch.randint(0, 50, (2, 7))
att = torch.ones(2, 7, dtype=torch.long)
att[1, 5:] = 0
torch.manual_seed(0)
m = GPT2LMHeadModel(
    GPT2Config(
        vocab_size=50,
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
)
tiny(m)
opt = torch.optim.AdamW(m.parameters(), 1e-2)
for i in range(3):
    l = m(ids, labels=ids).loss
    opt.zero_grad()
    l.backward()
    opt.step()
    print(l.item())
m.eval()
print(m.generate(ids[:, :3], max_new_tokens=6, do_sample=False, pad_token_id=0))
torch.manual_seed(1)
print(
    m.generate(
        ids[:, :3],
        max_new_tokens=6,
        do_sample=True,
        top_k=10,
        top_p=0.9,
        temperature=0.8,
        pad_token_id=0,
    )
)
print(m.generate(ids[:1, :3], max_new_tokens=5, num_beams=3, pad_token_id=0))
torch.manual_seed(0)
c = BertConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
)
b = BertForMaskedLM(c).eval()
tiny(b)
o = b(ids, attention_mask=att, labels=ids, output_hidden_states=True)
print(o.loss, o.logits.sum(), len(o.hidden_states))
s = BertForSequenceClassification(c)
l = s(ids, attention_mask=att, labels=torch.tensor([0, 1])).loss
l.backward()
print(l, s.classifier.weight.grad.norm())
torch.manual_seed(0)
v = ViTForImageClassification(
    ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=16,
        patch_size=4,
    )
).eval()
print(v(torch.randn(2, 3, 16, 16)).logits)
torch.manual_seed(0)
t = T5ForConditionalGeneration(
    T5Config(
        vocab_size=50,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
)
t.eval()
l = t(input_ids=ids, labels=ids).loss
l.backward()
print(l)
print(t.generate(ids, max_new_tokens=5, do_sample=False))
torch.manual_seed(0)
a = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
).eval()
print(
    a(ids, labels=ids).loss,
    a.generate(ids[:, :3], attention_mask=att[:, :3], max_new_tokens=5, do_sample=False),
)
import tempfile

with tempfile.TemporaryDirectory() as d:
    a.save_pretrained(d)
    print(sorted(os.listdir(d)))
    a2 = LlamaForCausalLM.from_pretrained(d)
    print(torch.equal(a2(ids).logits, a(ids).logits))
