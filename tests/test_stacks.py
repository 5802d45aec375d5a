"""Planes of a stack and lazy arrays against `restore` of the same plane."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from dask.base import tokenize
from numpy.typing import NDArray

from argan_plugin import Cancelled, RestorationModel, UnsupportedImageError, restore
from argan_plugin.change_cache import ChangeCache
from argan_plugin.stacks import restore_lazy, restore_stack


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> RestorationModel:
    return RestorationModel(tiny_model_path, device="cpu")


@pytest.fixture
def movie(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two by three different RGB pictures: shape (2, 3, 93, 118, 3)."""
    return np.stack([np.roll(photo, 5 * shift, axis=1) for shift in range(6)]).reshape(
        2, 3, *photo.shape
    )


def test_each_plane_is_restored_as_alone(model: RestorationModel, movie: NDArray[np.uint8]) -> None:
    restored = restore_stack(movie, rgb=True, model=model)
    assert restored.dtype == movie.dtype
    assert not np.array_equal(restored, movie)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(restored[index], restore(movie[index], model=model))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (5, 1, 7), (3, 3), (1, 1, 1, 9)])
def test_luma_stacks_of_any_shape(model: RestorationModel, shape: tuple[int, ...]) -> None:
    stack = np.random.default_rng(0).random(shape, np.float32)
    restored = restore_stack(stack, model=model)
    lazy = restore_lazy(da.from_array(stack), model=model)
    assert restored.shape == lazy.shape == shape
    np.testing.assert_array_equal(restored, lazy.compute(scheduler="synchronous"))
    for index in np.ndindex(shape[:-2]):
        np.testing.assert_array_equal(restored[index], restore(stack[index], model=model))


@pytest.mark.parametrize("chunks", [-1, (1, 1, 20, 31, 3), (2, 2, 93, 118, 1)])
def test_lazy_equals_eager_whatever_the_chunks(
    model: RestorationModel, movie: NDArray[np.uint8], chunks: Any
) -> None:
    lazy = da.from_array(movie, chunks=chunks)
    restored = restore_lazy(lazy, rgb=True, model=model)
    planes = restore_lazy(lazy, rgb=True, model=model, plane_by_plane=True)
    assert restored.chunks == lazy.chunks
    assert planes.chunks == ((1, 1), (1, 1, 1), *lazy.chunks[2:])
    assert restored.dtype == lazy.dtype
    np.testing.assert_array_equal(
        restored.compute(scheduler="threads"), restore_stack(movie, rgb=True, model=model)
    )


@pytest.mark.parametrize("size", [(93, 118), (40, 200), (129, 33), (64, 64)])
def test_large_planes_are_cut_without_seams(model: RestorationModel, size: tuple[int, int]) -> None:
    plane = np.random.default_rng(1).random(size, np.float32)
    restored = restore_lazy(da.from_array(plane), model=model, chunk_size=30)
    assert restored.dask  # lazily
    np.testing.assert_allclose(
        restored.compute(scheduler="synchronous"), restore(plane, model=model), atol=1e-6
    )


def test_planes_that_are_narrower_than_the_halo_are_cut_along_the_other_side() -> None:
    strip = np.random.default_rng(2).random((40, 330), np.float32)
    model = RestorationModel(device="cpu")
    assert strip.shape[0] < model.info.halo
    restored = restore_lazy(da.from_array(strip), model=model, chunk_size=64)
    whole = restore(strip, model=model, grid=(0, 0))
    np.testing.assert_allclose(restored.compute(scheduler="synchronous"), whole, atol=1e-5)


def test_chroma_in_stacks_and_cut_planes(model: RestorationModel, movie: NDArray[np.uint8]) -> None:
    planes = movie[0]
    expected = np.stack([restore(plane, model=model, chroma=True) for plane in planes])
    assert not np.array_equal(expected, restore_stack(planes, rgb=True, model=model))
    how: dict[str, Any] = {"rgb": True, "chroma": True, "model": model}
    np.testing.assert_array_equal(restore_stack(planes, **how), expected)
    cut = restore_lazy(da.from_array(planes), chunk_size=48, **how)
    np.testing.assert_array_equal(cut.compute(scheduler="synchronous"), expected)


def test_lazy_computes_only_what_is_looked_at(model: RestorationModel) -> None:
    read = []

    def load(block_id: tuple[int, ...]) -> NDArray[np.uint8]:
        read.append(block_id[0])
        return np.full((1, 20, 24), 100, np.uint8)

    stack = da.map_blocks(load, chunks=((1,) * 9, (20,), (24,)), dtype=np.uint8, meta=np.empty(0))
    restored = restore_lazy(stack, model=model)
    assert read == []
    restored[4].compute(scheduler="synchronous")
    assert read == [4]


def test_another_strength_needs_no_network(
    model: RestorationModel, movie: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ChangeCache()
    restore_stack(movie, rgb=True, model=model, changes=changes)
    restore_lazy(da.from_array(movie), rgb=True, model=model, changes=changes)
    expected = restore_stack(movie, rgb=True, model=model, strength=0.3)

    def run(*_: object, **__: object) -> None:
        raise AssertionError("the network ran")

    monkeypatch.setattr(RestorationModel, "run", run)
    mixed = restore_stack(movie, rgb=True, model=model, strength=0.3, changes=changes)
    np.testing.assert_array_equal(mixed, expected)


def test_lazy_remembers_what_was_computed(
    model: RestorationModel, movie: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ChangeCache()
    lazy = da.from_array(movie)
    how: dict[str, Any] = {"rgb": True, "model": model, "changes": changes, "plane_by_plane": True}
    restore_lazy(lazy, **how)[1, 2].compute()
    expected = restore(movie[1, 2], model=model, strength=0.5)
    monkeypatch.setattr(RestorationModel, "run", None)
    mixed = restore_lazy(lazy, **how, strength=0.5)
    np.testing.assert_array_equal(mixed[1, 2].compute(), expected)
    with pytest.raises(TypeError):  # the network would run for a plane that is not remembered
        mixed[1, 1].compute()


def test_cache_keeps_to_its_limit_and_forgets_the_oldest() -> None:
    cache = ChangeCache(limit=3 * 400)
    changes = [np.full((10, 10), value, np.float32) for value in range(4)]
    for key in range(3):
        cache.put((key,), changes[key])
    cache.put((0,), changes[0])  # again: it takes no second place
    assert cache.get((1,)) is changes[1]
    cache.put((3,), changes[3])
    assert cache.get((2,)) is None
    assert [cache.get((key,)) for key in (0, 1, 3)] == [changes[0], changes[1], changes[3]]
    cache.put((4,), np.zeros((100, 100), np.float32))  # more than the limit
    assert all(cache.get((key,)) is None for key in range(5))
    assert pickle.loads(pickle.dumps(cache)).get((0,)) is None


def test_lazy_result_can_be_pickled_and_has_a_stable_name(
    tiny_model_path: Path, movie: NDArray[np.uint8]
) -> None:
    lazy = da.from_array(movie[0, 0], name="movie")

    def restored(**options: Any) -> da.Array:
        return restore_lazy(lazy, rgb=True, model=tiny_model_path, changes=ChangeCache(), **options)

    assert tokenize(restored()) == tokenize(restored())
    assert tokenize(restored()) != tokenize(restored(strength=0.5))
    copy = pickle.loads(pickle.dumps(restored()))
    np.testing.assert_array_equal(
        copy.compute(scheduler="synchronous"), restore(movie[0, 0], model=tiny_model_path)
    )


def test_progress_counts_planes_and_tiles(
    model: RestorationModel, movie: NDArray[np.uint8]
) -> None:
    seen: list[tuple[int, int, int, int]] = []
    restore_stack(
        movie[0], rgb=True, model=model, tile_size=64, progress=lambda *at: seen.append(at)
    )
    assert seen == [(plane, 3, tile, 4) for plane in (1, 2, 3) for tile in (1, 2, 3, 4)]


@pytest.mark.parametrize("lazy", [False, True])
def test_cancel(model: RestorationModel, movie: NDArray[np.uint8], lazy: bool) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        if lazy:
            restore_lazy(da.from_array(movie), rgb=True, model=model, cancel=cancel).compute()
        else:
            restore_stack(movie, rgb=True, model=model, cancel=cancel)


@pytest.mark.parametrize(
    ("stack", "rgb", "message"),
    [
        (np.zeros(5, np.uint8), False, r"\(…, height, width\)"),
        (np.zeros((5, 3), np.uint8), True, r"height, width, 3 or 4"),
        (np.zeros((5, 5, 2), np.uint8), True, r"height, width, 3 or 4"),
        (np.zeros((0, 5, 5), np.uint8), False, "no pixels"),
        (np.zeros((5, 5), bool), False, "not bool"),
        (np.zeros((5, 5), np.int64), False, "not int64"),
        (np.zeros((5, 5), np.complex64), False, "not complex64"),
    ],
)
def test_what_cannot_be_restored_is_refused_at_once(
    model: RestorationModel, stack: NDArray[Any], rgb: bool, message: str
) -> None:
    with pytest.raises(UnsupportedImageError, match=message):
        restore_stack(stack, rgb=rgb, model=model)
    with pytest.raises(UnsupportedImageError, match=message):
        restore_lazy(da.from_array(stack), rgb=rgb, model=model)


def test_dask_array_of_unknown_shape_is_refused(model: RestorationModel) -> None:
    stack = da.from_array(np.arange(60).reshape(3, 4, 5))
    with pytest.raises(UnsupportedImageError, match="compute_chunk_sizes"):
        restore_lazy(stack[stack[:, 0, 0] > 0], model=model)
