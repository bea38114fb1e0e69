"""PyTorchFileReader: the records of a file, one by one."""

import io

import pytest

import rushlight as torch


def test_records(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"a": torch.arange(3.0)}, path)
    for reader in (torch.PyTorchFileReader(path), torch.PyTorchFileReader(str(path))):
        assert {"data.pkl", "data/0", "version"} <= set(reader.get_all_records())
        assert reader.get_record("version") == b"3\n" and not reader.has_record("x")
        assert reader.get_record_size("data/0") == 12
        tensor = reader.get_storage_from_record("data/0", 3, torch.float32)
        assert tensor.shape == (0,) and tensor.dtype == torch.float32
        assert tensor._typed_storage().tolist() == [0, 1, 2]
        raw = reader.get_storage_from_record("data/0", 12, torch.UntypedStorage)
        assert raw.dtype == torch.uint8 and raw.untyped_storage().nbytes() == 12
        with pytest.raises(RuntimeError, match="file not found"):
            reader.get_record("x")


def test_an_open_file():
    file = io.BytesIO()
    torch.save(torch.ones(2), file)
    file.seek(0)
    assert torch.PyTorchFileReader(file).serialization_id()
