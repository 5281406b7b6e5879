import pytest
import torch
from torch import nn

from recap.backbones.conv_relu import ConvReLU
from recap.backbones.load import load_backbone

KERNEL = torch.backends.mkldnn.is_available()
BFLOAT16 = KERNEL and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def plain(layer, x):
    """Return what a convolution and then a ReLU give."""
    return nn.Conv2d.forward(layer, x).relu()


def operations(layer, x):
    """Return the names of the operations that a layer asks PyTorch for."""
    with torch.profiler.profile() as profile:
        layer(x)
    return {event.key for event in profile.key_averages()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    "form", [{"padding": 1}, {"stride": 2}, {"groups": 2, "dilation": 2, "padding": (0, 3)}]
)
def test_both_at_once_are_both_in_turn(dtype, form):
    torch.manual_seed(0)
    layer = ConvReLU(16, 24, 3, **form).to(dtype, memory_format=torch.channels_last)
    x = torch.randn(3, 16, 21, 18).to(dtype, memory_format=torch.channels_last)
    with torch.inference_mode():
        found, expected = layer(x), plain(layer, x)
    assert (found == 0).any() and (found > 0).any()
    assert found.dtype == dtype and torch.equal(found, expected)
    assert found.stride() == expected.stride()


@pytest.mark.skipif(not KERNEL, reason="PyTorch was built without oneDNN")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16] if BFLOAT16 else [torch.float32])
def test_it_is_one_operation_without_gradients(dtype):
    layer = ConvReLU(3, 8, 3).to(dtype)
    x = torch.randn(2, 3, 9, 9, dtype=dtype)
    with torch.inference_mode():
        assert operations(layer, x) >= {"mkldnn::_convolution_pointwise"}
        assert not operations(layer, x) & {"aten::relu_", "aten::clamp_min_"}
    assert operations(layer, x) >= {"aten::relu_"}


@pytest.mark.skipif(BFLOAT16 or not KERNEL, reason="oneDNN computes in bfloat16 here")
def test_bfloat16_works_where_onednn_has_none():
    with torch.inference_mode():
        assert ConvReLU(3, 8, 3).bfloat16()(torch.randn(2, 3, 9, 9).bfloat16()).min() == 0


def test_gradients_are_those_of_both():
    torch.manual_seed(0)
    layer = ConvReLU(4, 6, 3, padding=1).double()
    x = torch.randn(2, 4, 7, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))
    weights = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    found = torch.autograd.grad((layer(x) * weights).sum(), [x, *layer.parameters()])
    expected = torch.autograd.grad((plain(layer, x) * weights).sum(), [x, *layer.parameters()])
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("name", ["vgg16", "squeezenet1_1"])
def test_every_convolution_of_a_backbone_that_has_a_relu_does_it(name):
    modules = [*load_backbone(name, "random", []).network.modules()]
    assert all(isinstance(module, ConvReLU) for module in modules if isinstance(module, nn.Conv2d))
    assert any(isinstance(module, ConvReLU) for module in modules)
