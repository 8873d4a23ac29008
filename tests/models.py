"""Small torch models whose FLOPs and sizes are worked out by hand."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, *, manual: bool = False, causal: bool = False):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.manual, self.causal = heads, manual, causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if self.manual:
            y = ((q @ k.transpose(-2, -1)) * (d // self.heads) ** -0.5).softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, **options: bool):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, **options)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """One block over patches of 16 × 16."""

    def __init__(self, width: int = 64, heads: int = 4, *, manual: bool = False):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 16, 16)
        self.block = Block(width, heads, manual=manual)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(self.patch(x).flatten(2).transpose(1, 2))


class GPT(nn.Module):
    """One causal block, its head tied to its embedding."""

    def __init__(self, vocabulary: int = 50, width: int = 32, heads: int = 2):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.block = Block(width, heads, causal=True)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.head(self.block(self.tokens(ids)))}


class LoRA(nn.Module):
    """A frozen linear layer with a trainable detour of low rank."""

    def __init__(self, base: nn.Linear, rank: int):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Linear(base.in_features, rank, bias=False)
        self.b = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.b(self.a(x))


class NeedsValues(nn.Module):
    """Looks at a value, so its pass cannot run on meta."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor, *rest: Any) -> Any:
        return self.inner(x if x.flatten()[0].item() < 1e9 else -x, *rest)


def int8(model: nn.Module, *kinds: type[nn.Module]) -> nn.Module:
    """torch's dynamic quantisation, which warns that it will move to another package."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model, set(kinds), dtype=torch.qint8)
