"""FLOPs of the operators that torch's own registry has no formula for, and what the rest are.

Two FLOPs are one multiplication and one addition. A formula takes the operator's arguments, and
`out_val`, what it returned. Recurrent cells, attention and quantised layers are counted as their
matrix products; gates, softmax, scales and roundings are not. Euclidean distances count as the sums
of squares that they are the roots of.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

from assay.ops.modules import tensors_in

__all__ = ["COPIES", "UNKNOWN", "formulas", "kind_of"]

Formula = Callable[..., int]

COPIES = "copies"  # moves or makes numbers and computes none
UNKNOWN = "unknown"  # may well be heavy


def _size(shape: Any) -> int:
    return int(math.prod(shape))


# -- products --------------------------------------------------------------------------------------


def _outputs_times_inputs(x: Any, *_: Any, out_val: Any, **__: Any) -> int:
    """A linear layer, whatever its weight is packed in."""
    return 2 * int(out_val.numel()) * int(x.shape[-1])


def _added_product(_added: Any, a: Any, *rest: Any, out_val: Any, **__: Any) -> int:
    return _outputs_times_inputs(a, *rest, out_val=out_val)


def _dot(a: Any, *_: Any, **__: Any) -> int:
    return 2 * int(a.numel())


def _sum_of_products(_added: Any, a: Any, b: Any, *_: Any, **__: Any) -> int:
    """addbmm: the products of a batch, added up."""
    return 2 * int(a.numel()) * int(b.shape[-1])


def _grouped_product(a: Any, b: Any, *_: Any, **__: Any) -> int:
    """Products of groups: of batches, or cut along whichever dimension is stacked in two ranks."""
    if a.ndim == 3 and b.ndim == 2:
        return 2 * int(a.shape[-2]) * int(b.numel())
    return 2 * int(a.numel()) * int(b.shape[-1])


def _trilinear(
    a: Any, b: Any, c: Any, without_a: Any, without_b: Any, without_c: Any, summed: Any,
    unrolled: int = 1, **__: Any,
) -> int:  # fmt: skip
    """nn.Bilinear: a and b, summed along what c lacks, then that and c; what sums nothing is no
    matrix product. without: axes that each lacks. unrolled: the axis that is summed last."""
    shapes = []
    for tensor, lacks in ((a, without_a), (b, without_b), (c, without_c)):
        shape = [int(width) for width in tensor.shape]
        for axis in sorted(lacks):
            shape.insert(axis, 1)
        shapes.append(shape)
    first = {axis for axis in summed if axis in without_c and axis != unrolled}
    sizes = [max(widths) for widths in zip(*shapes, strict=True)]
    pairs = _size(map(max, *shapes[:2])) if first else 0
    left = _size(n for axis, n in enumerate(sizes) if axis not in first)
    return 2 * (pairs + (left if set(summed) - first else 0))


def _distances(a: Any, _b: Any, p: float = 2.0, *_: Any, out_val: Any, **__: Any) -> int:
    """Euclidean ones: a multiply-add for each coordinate, however they are found."""
    if p != 2:
        raise ValueError(f"distances of p = {p} are no products")
    return _outputs_times_inputs(a, out_val=out_val)


def _distances_within(a: Any, p: float = 2.0, *_: Any, out_val: Any, **__: Any) -> int:
    return _distances(a, a, p, out_val=out_val)


def _distances_backward(
    _grad: Any, a: Any, b: Any, p: float, distances: Any, *_: Any, **__: Any
) -> int:
    """Of one side: differences, weighted by the gradient and summed over the other side."""
    return _distances(a, b, p, out_val=distances)


def _distances_within_backward(
    _grad: Any, a: Any, p: float, distances: Any, *_: Any, **__: Any
) -> int:
    return 2 * _distances(a, a, p, out_val=distances)  # each is of two rows


# -- convolutions ----------------------------------------------------------------------------------


def _convolution_backward(
    grad: Any, x: Any, weight: Any, _bias: Any, _stride: Any, _padding: Any, _dilation: Any,
    transposed: bool, _output_padding: Any, _groups: int, wanted: Any, *_: Any, **__: Any,
) -> int:  # fmt: skip
    # The gradients of the input and of the weight each pair every product of the forward pass
    # once more. torch's formula takes the weight's for `groups` times as much.
    positions = (x if transposed else grad).shape[2:]
    forward = 2 * int(x.shape[0]) * _size(positions) * int(weight.numel())
    return forward * sum(map(bool, wanted[:2]))


def _quantised_convolution(_x: Any, packed: Any, *_: Any, out_val: Any, **__: Any) -> int:
    weight = packed.unpack()[0]
    return 2 * int(out_val.numel()) * _size(weight.shape[1:])


# -- attention -------------------------------------------------------------------------------------


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """All scores and all their products with the values: a causal mask is not taken off."""
    *heads, queries, width = query.shape
    return 2 * _size(heads) * int(queries) * int(key.shape[-2]) * int(width + value.shape[-1])


def _attention_backward(
    _grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any
) -> int:  # fmt: skip
    """The scores once more, then the gradients of scores, queries, keys and values."""
    *heads, queries, width = query.shape
    pairs = _size(heads) * int(queries) * int(key.shape[-2])
    return 2 * pairs * int(3 * width + 2 * value.shape[-1])


def _sequences(x: Any) -> list[tuple[int, int]]:
    """(length, width) of each sequence of a batch, padded or nested."""
    parts = x.unbind() if x.is_nested else x
    return [(int(part.shape[0]), int(part.shape[1])) for part in parts]


def _multi_head(
    query: Any, key: Any, _value: Any, _width: int, _heads: int, packed: Any, _packed_bias: Any,
    projection: Any, *_: Any, **__: Any,
) -> int:  # fmt: skip
    total = 0
    for (queries, width), (keys, _width) in zip(_sequences(query), _sequences(key), strict=True):
        projected = (queries + 2 * keys) * int(packed.numel()) // 3
        total += projected + queries * int(projection.numel()) + 2 * queries * keys * width
    return 2 * total


def _encoder_layer(x: Any, *rest: Any, out_val: Any, **__: Any) -> int:
    """The fused layer that nn.TransformerEncoderLayer takes in eval mode."""
    weights = [rest[i] for i in (2, 4, 13, 15)]  # of queries, keys and values; of what follows
    per_token = sum(int(weight.numel()) for weight in weights)
    return 2 * sum(n * per_token + 2 * n * n * width for n, width in _sequences(x))


# -- recurrent layers ------------------------------------------------------------------------------


def _steps(x: Any) -> int:
    """Steps of all sequences: x is [time, batch, width], or packed [steps, width]."""
    return _size(x.shape[:-1])


def _fused_layer(x: Any, weight: Any, recurrent: Any, *_: Any, **__: Any) -> int:
    return 2 * _steps(x) * (int(weight.numel()) + int(recurrent.numel()))


def _stacked_layers(x: Any, weights: Any, *_: Any, **__: Any) -> int:
    return 2 * _steps(x) * sum(int(one.numel()) for one in weights if one.ndim == 2)


def _twice(formula: Formula) -> Formula:
    """Backward: one product for the gradient of what goes in, one for that of the weights."""
    return lambda *args, **kwargs: 2 * formula(*args, **kwargs)


def _quantised_layers(x: Any, *rest: Any, **__: Any) -> int:
    import torch

    layers = next(a for a in rest if isinstance(a, list) and isinstance(a[0], torch.ScriptObject))
    return _stacked_layers(x, tensors_in(layers))


# -- the table -------------------------------------------------------------------------------------

_ADDED: dict[str, Formula] = {
    "aten._int_mm": _outputs_times_inputs,
    "aten._weight_int8pack_mm": _outputs_times_inputs,
    "aten._weight_int4pack_mm": _outputs_times_inputs,
    "aten._weight_int4pack_mm_for_cpu": _outputs_times_inputs,
    "aten._dyn_quant_matmul_4bit": _outputs_times_inputs,
    "aten.mv": _outputs_times_inputs,
    "aten.addmv": _added_product,
    "aten.dot": _dot,
    "aten.vdot": _dot,
    "aten.addbmm": _sum_of_products,
    "aten._trilinear": _trilinear,
    "aten._cdist_forward": _distances,
    "aten._cdist_backward": _distances_backward,
    "aten._euclidean_dist": _distances,
    "aten._pdist_forward": _distances_within,
    "aten._pdist_backward": _distances_within_backward,
    "aten._grouped_mm": _grouped_product,
    "aten._scaled_grouped_mm": _grouped_product,
    "quantized.linear": _outputs_times_inputs,
    "quantized.linear_relu": _outputs_times_inputs,
    "quantized.linear_dynamic": _outputs_times_inputs,
    "quantized.linear_relu_dynamic": _outputs_times_inputs,
    "quantized.linear_dynamic_fp16": _outputs_times_inputs,
    "quantized.linear_relu_dynamic_fp16": _outputs_times_inputs,
    **{
        f"quantized.conv{d}{name}": _quantised_convolution
        for d in ("1d", "2d", "3d")
        for name in ("", "_relu", "_dynamic")
    },
    "bitsandbytes.gemm_4bit": _outputs_times_inputs,
    "bitsandbytes.gemv_4bit": _outputs_times_inputs,
    "bitsandbytes.int8_linear_matmul": _outputs_times_inputs,
    "bitsandbytes.int8_scaled_mm": _outputs_times_inputs,
    "aten.convolution_backward": _convolution_backward,
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten._scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
    "aten._scaled_dot_product_fused_attention_overrideable": _attention,
    "aten._scaled_dot_product_fused_attention_overrideable_backward": _attention_backward,
    "aten._native_multi_head_attention": _multi_head,
    "aten._transformer_encoder_layer_fwd": _encoder_layer,
    "aten.mkldnn_rnn_layer": _fused_layer,
    "aten.mkldnn_rnn_layer_backward": _twice(_fused_layer),
    "aten._cudnn_rnn": _stacked_layers,
    "aten._cudnn_rnn_backward": _twice(_stacked_layers),
    "aten.miopen_rnn": _stacked_layers,
    "aten.miopen_rnn_backward": _twice(_stacked_layers),
    "aten.quantized_lstm": _quantised_layers,
    "aten.quantized_gru": _quantised_layers,
}


def _operator(name: str) -> Any:
    import torch

    space, _, packet = name.partition(".")
    # a release may not have it; of another library: not imported
    return getattr(getattr(torch.ops, space), packet, None)


def formulas() -> dict[Any, Formula]:
    """The formulas by operator, for FlopCounterMode(custom_mapping=)."""
    found: dict[Any, Formula] = {}
    for name, formula in _ADDED.items():
        if (packet := _operator(name)) is not None:
            raw: Any = functools.partial(formula)
            raw._get_raw = True  # it takes tensors, not their shapes
            found[packet] = raw
    return found


# -- what has no formula ---------------------------------------------------------------------------

_KINDS: dict[str, tuple[str, ...]] = {
    "softmax": (
        "_softmax", "_safe_softmax", "_log_softmax", "_softmax_backward_data", "logsumexp",
        "_log_softmax_backward_data", "_masked_softmax", "_masked_softmax_backward",
    ),
    "norm": (
        "native_layer_norm", "native_layer_norm_backward", "native_batch_norm", "batch_norm",
        "native_batch_norm_backward", "_native_batch_norm_legit", "_batch_norm_with_update",
        "_native_batch_norm_legit_no_training", "_batch_norm_no_update", "batch_norm_backward",
        "cudnn_batch_norm", "cudnn_batch_norm_backward", "miopen_batch_norm", "_fused_rms_norm",
        "miopen_batch_norm_backward", "native_group_norm", "native_group_norm_backward",
        "_fused_rms_norm_backward", "linalg_vector_norm", "_weight_norm_interface",
        "_weight_norm_interface_backward", "norm",
    ),
    "pooling": (
        "max_pool2d_with_indices", "max_pool2d_with_indices_backward", "avg_pool2d",
        "avg_pool2d_backward", "max_pool3d_with_indices", "max_pool3d_with_indices_backward",
        "avg_pool3d", "avg_pool3d_backward", "_adaptive_avg_pool2d", "adaptive_max_pool2d",
        "_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward", "_adaptive_avg_pool3d",
        "_adaptive_avg_pool3d_backward", "avg_pool1d",
        *(
            f"upsample_{kind}{backward}"
            for kind in (
                "nearest1d", "nearest2d", "nearest3d", "_nearest_exact1d", "_nearest_exact2d",
                "linear1d", "bilinear2d", "bicubic2d", "trilinear3d",
            )
            for backward in ("", "_backward")
        ),
        "_upsample_bilinear2d_aa", "_upsample_bilinear2d_aa_backward", "_upsample_bicubic2d_aa",
        "_upsample_bicubic2d_aa_backward", "grid_sampler_2d", "grid_sampler_2d_backward",
        "grid_sampler_3d", "grid_sampler_3d_backward",
    ),
    "reduction": (
        "sum", "mean", "var", "std", "var_mean", "std_mean", "amax", "amin", "max", "min", "prod",
        "argmax", "argmin", "any", "all", "cumsum", "cumprod", "sort", "topk", "count_nonzero",
        "embedding_dense_backward", "_embedding_bag", "nll_loss_forward", "nll_loss_backward",
        "nll_loss2d_forward", "nll_loss2d_backward", "binary_cross_entropy",
        "binary_cross_entropy_backward", "nonzero", "unique_dim", "_unique2", "bincount",
        "searchsorted", "equal", "is_nonzero", "bucketize", "median", "nanmedian", "kthvalue",
        "mode", "cummax", "cummin", "trace", "renorm", "multinomial", "index_reduce",
        "_embedding_bag_backward", "_embedding_bag_dense_backward", "mse_loss", "huber_loss",
        "huber_loss_backward", "smooth_l1_loss", "soft_margin_loss", "soft_margin_loss_backward",
        "binary_cross_entropy_with_logits",
    ),
    "elementwise": (
        "native_dropout", "native_dropout_backward", "glu", "glu_backward", "_fused_dropout",
        "_thnn_fused_lstm_cell", "_thnn_fused_lstm_cell_backward_impl", "_thnn_fused_gru_cell",
        "_thnn_fused_gru_cell_backward", "bernoulli", "gelu_backward", "mse_loss_backward",
        "_prelu_kernel_backward", "rrelu_with_noise", "smooth_l1_loss_backward", "addr", "outer",
        "rms_norm", "quantize_per_tensor", "quantize_per_channel", "dequantize",
        "_foreach_add", "_foreach_mul", "index_add", "scatter_add", "scatter_reduce", "polar",
        "hardtanh_backward", "hardswish", "hardswish_backward", "hardsigmoid_backward",
        "elu_backward", "leaky_relu_backward", "softplus_backward", "softshrink_backward",
        "hardshrink_backward", "log_sigmoid_forward", "log_sigmoid_backward", "_prelu_kernel",
        "floor_divide", "__and__", "__or__", "__xor__",
        "rrelu_with_noise_backward", "hann_window", "hamming_window", "blackman_window",
        "kaiser_window", "bartlett_window",
    ),
    COPIES: (
        "clone", "copy", "_to_copy", "cat", "stack", "empty", "empty_like", "empty_strided",
        "new_empty", "new_empty_strided", "new_zeros", "new_ones", "new_full", "zeros",
        "zeros_like", "ones", "ones_like", "full", "full_like", "arange", "linspace", "eye",
        "scalar_tensor", "fill", "zero", "embedding", "gather", "index", "index_select",
        "index_put", "index_fill",
        "_index_put_impl", "_unsafe_index", "_unsafe_index_put", "slice_backward",
        "select_backward", "scatter", "slice_scatter", "select_scatter", "masked_fill",
        "masked_select", "masked_scatter", "where", "tril", "triu", "repeat", "roll", "flip",
        "constant_pad_nd",
        *(
            f"{kind}_pad{n}d{backward}"
            for kind in ("reflection", "replication")
            for n in (1, 2, 3)
            for backward in ("", "_backward")
        ),
        "_pack_padded_sequence", "_pack_padded_sequence_backward", "to_padded_tensor",
        "_unsafe_view", "_reshape_alias", "lift_fresh", "lift", "detach",
        "unsafe_split", "unsafe_chunk", "split_with_sizes_copy", "_local_scalar_dense", "resize",
        "randn", "rand", "randint", "randperm", "normal", "uniform", "rand_like", "randn_like",
        "set", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col", "col2im",
        "_pin_memory", "item", "_assert_async", "_assert_scalar", "tril_indices",
        "triu_indices", "repeat_interleave", "record_stream", "_nested_tensor_size",
        "device", "transpose", "t", "squeeze", "unsqueeze", "as_strided",
        "unfold_backward", "embedding_renorm", "alias_copy", "view_copy", "_weight_norm",
        "contiguous", "_nested_tensor_from_mask", "_nested_tensor_from_mask_left_aligned",
    ),
}  # fmt: skip
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}


def _is_view(overload: Any) -> bool:
    returned = [one.alias_info for one in overload._schema.returns]
    return any(alias is not None and not alias.is_write for alias in returned)


@functools.cache
def kind_of(packet: Any) -> str:
    """What an operator does: "elementwise", "norm", "softmax", "pooling", "reduction", COPIES, or
    UNKNOWN."""
    import torch

    space, _, name = str(packet).partition(".")
    # in-place forms end in an underscore
    kind = _KIND_OF.get(name) or _KIND_OF.get(name.rstrip("_"))
    if kind and space in ("aten", "quantized"):
        return kind
    overloads = [getattr(packet, one) for one in getattr(packet, "overloads", list)()]
    if any(_is_view(one) for one in overloads):
        return COPIES
    if any(torch.Tag.pointwise in one.tags for one in overloads):
        return "elementwise"
    return UNKNOWN
