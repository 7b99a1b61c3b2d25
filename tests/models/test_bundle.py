"""A bundle is what its maker signed, all of it, or it is refused and says why."""

import contextlib
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.models.bundle import ENVELOPE, MANIFEST, MODEL, check, open_bundle, to_archive
from gateway.models.manifest import BundleError, Manifest, match_tags, order, read_manifest
from gateway.models.onnxlook import look
from gateway.models.signing import generate, pae, read_private, read_public, read_trusted, sign, verify
from gateway.sdk.errors import ConfigError
from tests.models.made import KEY, OTHER, TRUSTED, body, bundle, files, graph, manifest, mean_square, node


def lay(folder: Path, content: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, one in content.items():
        (folder / name).write_bytes(one)
    return folder


def code(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(path, TRUSTED)
    return caught.value.code


def test_a_folder_and_an_archive_hold_the_same_bundle(tmp_path: Path) -> None:
    folder = open_bundle(lay(tmp_path / "pump-7", files()), TRUSTED)
    (tmp_path / "pump-7.tar").write_bytes(folder.archive())
    archive = open_bundle(tmp_path / "pump-7.tar", TRUSTED)
    assert archive.files == folder.files
    assert (archive.label, archive.key) == ("pump-7 1.0", next(iter(TRUSTED)))
    assert archive.look.operators == {"Mul": 2, "ReduceMean": 1}


def test_none_of_200_bit_flips_is_accepted(tmp_path: Path) -> None:
    whole = bundle().archive()
    rng = np.random.default_rng(7)
    seen = set()
    for bit in rng.choice(8 * len(whole), 200, replace=False).tolist():
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "flipped.tar").write_bytes(flipped)
        seen.add(code(tmp_path / "flipped.tar"))
    assert "tampered" in seen


def test_no_bit_of_the_envelope_is_free() -> None:
    content = files()
    envelope = content[ENVELOPE]
    for place in range(len(envelope)):
        for bit in range(8):
            flipped = bytearray(envelope)
            flipped[place] ^= 1 << bit
            with pytest.raises(BundleError):
                check({**content, ENVELOPE: bytes(flipped)}, TRUSTED)


def test_a_bundle_of_a_stranger_is_refused() -> None:
    with pytest.raises(BundleError, match="none of the 1 trusted keys"):
        check(files(key=OTHER), TRUSTED)
    with pytest.raises(BundleError, match="none of the 0 trusted keys"):
        check(files(), {})


def test_files_of_two_signed_bundles_do_not_mix() -> None:
    one, other = files(), files(mean_square(2.0), manifest("2.0", golden={"rows": [[1, 1]] * 3, "score": 2.0}))
    for name, named in ((MODEL, MODEL), (MANIFEST, MANIFEST), (ENVELOPE, MODEL)):
        with pytest.raises(BundleError, match=f"tampered: {named} is not the file that was signed"):
            check({**one, name: other[name]}, TRUSTED)


@pytest.mark.parametrize("name", [MODEL, MANIFEST])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    content = files()
    del content[name]
    with pytest.raises(BundleError, match=f"layout: {name} is missing"):
        open_bundle(lay(tmp_path / "b", content), TRUSTED)


def test_what_does_not_belong_into_a_bundle_is_refused(tmp_path: Path) -> None:
    assert code(lay(tmp_path / "more", {**files(), "setup.py": b""})) == "layout"
    assert code(tmp_path / "nothing.tar") == "unreadable"
    linked = lay(tmp_path / "linked", files())
    (linked / MODEL).unlink()
    (linked / MODEL).symlink_to("/etc/hostname")
    assert code(linked) == "unreadable"
    with tarfile.open(tmp_path / "up.tar", "w") as tar:
        tar.add(__file__, "../../evil")
    assert code(tmp_path / "up.tar") == "layout"
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as tar:
        tar.add(__file__, MODEL)
    assert code(tmp_path / "packed.tar") == "layout"


def test_an_oversize_model_is_not_read(tmp_path: Path) -> None:
    folder = lay(tmp_path / "b", files())
    with pytest.raises(BundleError, match=r"size: model.onnx has more than 100 bytes"):
        open_bundle(folder, TRUSTED, limit=100)
    with (folder / MODEL).open("wb") as file:
        file.truncate(2**40)
    assert code(folder) == "size"


def test_a_bundle_for_a_newer_gateway_is_refused() -> None:
    with pytest.raises(BundleError, match="needs Fieldgate 99"):
        bundle(minimum_gateway="99.0")


def test_an_archive_of_another_spelling_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(to_archive(files()) + bytes(512))
    assert code(tmp_path / "x.tar") == "tampered"


# -- signatures --------------------------------------------------------------------------------------------------------


def test_the_encoding_is_that_of_the_dsse_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_signature_holds_for_its_type_only() -> None:
    envelope = sign(b"{}", KEY, "application/other")
    assert verify(envelope, TRUSTED, "application/other")[0] == b"{}"
    with pytest.raises(BundleError, match="tampered"):
        verify(envelope, TRUSTED)


def test_keys_are_read_as_they_were_written(tmp_path: Path) -> None:
    private, public, key = generate()
    (tmp_path / "a.key").write_bytes(private)
    (tmp_path / "a.pub").write_bytes(public)
    assert list(read_trusted(tmp_path)) == [key]
    payload, signer = verify(sign(b"x", read_private(tmp_path / "a.key")), read_trusted(tmp_path))
    assert (payload, signer) == (b"x", key)
    for path, reader in ((tmp_path / "a.pub", read_private), (tmp_path / "a.key", read_public)):
        with pytest.raises(ConfigError, match=path.name):
            reader(path)
    with pytest.raises(ConfigError, match=r"models\.keys"):
        read_trusted(tmp_path / "none")


# -- manifest ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"threshold": -1}, "threshold"),
        ({"outputs": {}}, "name a score or a reconstruction"),
        ({"golden": {"rows": [[1, 1]]}}, "3 rows of 2 values"),
        ({"inputs": [{"role": "a"}, {"role": "a"}]}, "the same role"),
        ({"version": "1.0-beta"}, "version"),
        ({"colour": "red"}, "colour"),
        ({"window": {"rows": 3, "hold": -1}}, r"window\.hold"),
    ],
)
def test_a_mistake_in_the_manifest_is_named(more: dict[str, Any], word: str) -> None:
    content = {**json.loads(manifest().encode()), **more}
    with pytest.raises(BundleError, match=word):
        read_manifest(json.dumps(content).encode())


def test_a_manifest_reads_as_it_was_written() -> None:
    assert read_manifest(manifest().encode()) == manifest()


def test_versions_are_compared_by_number() -> None:
    assert sorted(["1.10", "1.9", "0.2", "1"], key=order) == ["0.2", "1", "1.9", "1.10"]
    assert order("1.0") == order("1")


def test_tags_are_matched_by_name_or_in_order() -> None:
    one = manifest()
    assert match_tags(one, ["p.pressure", "p.flow"], ["bar", "m³/h"]) == [1, 0]
    assert match_tags(one, ["p.a", "p.b"], ["m³/h", "bar"]) == [0, 1]
    with pytest.raises(BundleError, match=r"'flow' is in m³/h, tag p\.flow is in l/s"):
        match_tags(one, ["p.pressure", "p.flow"], ["bar", "l/s"])
    with pytest.raises(BundleError, match="2 inputs"):
        match_tags(one, ["p.flow"], [""])


# -- the look ----------------------------------------------------------------------------------------------------------


def test_the_look_finds_what_onnx_itself_finds() -> None:
    onnx = pytest.importorskip("onnx")
    path = Path(__file__).parents[2] / "gateway/models/default.onnx"
    found, proto = look(path.read_bytes()), onnx.load(path)
    assert found.nodes == len(proto.graph.node)
    assert set(found.inputs) == {one.name for one in proto.graph.input}
    assert set(found.outputs) == {one.name for one in proto.graph.output}
    assert found.opsets == {"": 17}


def test_a_loop_with_a_small_fixed_count_is_accepted_and_nested_ones_are_multiplied() -> None:
    def looping(rounds: int) -> bytes:
        nodes = [
            node("ReduceMean", "x", "start", axes=[1, 2], keepdims=0),
            node("Loop", "rounds yes start", "score", body=body()),
        ]
        return graph(nodes, rounds=np.int64(rounds), yes=np.True_)

    assert look(looping(100)).operators["Loop"] == 1
    with pytest.raises(BundleError, match="a Loop with 10001 rounds"):
        look(looping(10_001))


def test_rubbish_never_breaks_the_look() -> None:
    rng = np.random.default_rng(3)
    model = mean_square()
    for length in range(0, len(model), 3):
        with pytest.raises(BundleError):
            look(model[:length])
    for _ in range(300):
        flipped = bytearray(model)
        for _ in range(3):
            flipped[rng.integers(len(model))] = rng.integers(256)
        with contextlib.suppress(BundleError):  # anything else would break a gateway
            look(bytes(flipped))


def test_a_manifest_says_the_threshold_that_its_asset_is_judged_by() -> None:
    assert isinstance(bundle().manifest, Manifest)
    assert bundle(threshold=2.5).manifest.threshold == 2.5
