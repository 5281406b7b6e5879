import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from recap.backbones.max_pool import MaxPool2x2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("form", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("shape", [(3, 5, 8, 6), (1, 1, 2, 2), (2, 3, 7, 6), (2, 3, 6, 7)])
def test_the_largest_of_each_block(dtype, form, shape):
    torch.manual_seed(0)
    x = torch.randn(shape).to(dtype, memory_format=form)
    expected = F.max_pool2d(x, 2)
    before = x.clone()
    with torch.inference_mode():
        found = MaxPool2x2()(x)
    assert torch.equal(found, expected) and torch.equal(x, before)
    assert found.is_contiguous(memory_format=form)


def test_a_number_that_is_none_is_passed_on():
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 3, 0] = torch.nan
    with torch.inference_mode():
        assert MaxPool2x2()(x).isnan().sum() == 1


def test_gradients_go_to_the_largest():
    x = torch.arange(16.0).view(1, 1, 4, 4).requires_grad_()
    MaxPool2x2()(x).sum().backward()
    assert x.grad.nonzero()[:, 2:].tolist() == [[1, 1], [1, 3], [3, 1], [3, 3]]


def test_of_equal_numbers_one_has_the_gradient():
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    MaxPool2x2()(x).sum().backward()
    assert sorted(x.grad.flatten().tolist()) == [0.0] * 12 + [1.0] * 4


def test_without_gradients_no_place_is_noted():
    x = torch.randn(1, 2, 4, 4)
    with torch.inference_mode(), torch.profiler.profile() as profile:
        MaxPool2x2()(x)
    assert not any("max_pool" in event.key for event in profile.key_averages())
