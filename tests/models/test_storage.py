import json
import zlib
from functools import partial

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import contractive as ct
from contractive import models
from contractive.core.files import replace_file, write_text
from contractive.models import StorageError, architecture, read_config, tensors_checksum


@pytest.mark.parametrize(
    "autoencoder",
    [ct.mlp(6, hidden=(5,), code=3, activation="tanh", output="linear"), ct.tied(6, 3), ct.conv((1, 6, 6), code=3)],
    ids=["mlp", "tied", "conv"],
)
def test_a_saved_model_computes_the_same(autoencoder, tmp_path):
    ct.save(autoencoder, tmp_path / "model", extra={"note": "kept"})
    again = ct.load(tmp_path / "model")
    x = torch.rand(4, 1, 6, 6) if autoencoder.recipe.builder == "conv" else torch.rand(4, 6)
    assert torch.equal(again(x), autoencoder(x))
    assert not again.training
    assert json.loads((tmp_path / "model" / "config.json").read_text())["content"]["extra"] == {"note": "kept"}
    assert read_config(tmp_path / "model").extra == {"note": "kept"}
    assert read_config(tmp_path / "model").recipe == autoencoder.recipe
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


def test_own_modules_are_not_saved_without_a_recipe(tmp_path):
    with pytest.raises(StorageError, match="autoencoder must come from a builder"):
        ct.save(ct.Autoencoder(nn.Linear(3, 2), nn.Linear(2, 3)), tmp_path)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_model_whose_modules_were_exchanged_is_not_saved_as_another(part, tmp_path):
    autoencoder = ct.mlp(6, code=3)
    getattr(autoencoder, part)[1] = nn.Tanh()
    with pytest.raises(StorageError, match=f"The {part} has other modules than mlp made, and they would be lost"):
        ct.save(autoencoder, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def break_weights(folder):
    (folder / "model.safetensors").write_bytes(b"not safetensors")


def cut_weights(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-7])


def other_config(**changes):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        place = config if "version" in changes else config["content"]["recipe"]
        place.update(changes)
        (folder / "config.json").write_text(json.dumps(config))

    return change


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json was written before the first release"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors cannot be read"),
        (break_weights, "model.safetensors cannot be read"),
        (cut_weights, "model.safetensors cannot be read"),
        (other_config(version=99), "config.json has version 99, and 2 is read"),
        (other_config(builder=7), "config.json does not hold a model"),
        (
            other_config(builder="os.system"),
            "must be loaded with its builder, 'os.system', which is none of",
        ),
        (other_config(arguments={"features": 7, "code": 3}), "must describe the weights it holds, got: Error"),
        (other_config(arguments={"width": 7}), "must describe the weights it holds, got: .*unexpected keyword"),
    ],
)
def test_damage_is_one_clear_line(damage, match, tmp_path):
    ct.save(ct.mlp(6, code=3), tmp_path)
    damage(tmp_path)
    with pytest.raises(StorageError, match=match) as caught:
        ct.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(temporary):
        with open(temporary, "w") as file:
            file.write("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_precision_is_kept(tmp_path):
    ct.save(ct.mlp(6, code=3).double(), tmp_path)
    assert next(ct.load(tmp_path).parameters()).dtype is torch.float64


def test_a_file_without_weights_is_refused(tmp_path):
    ct.save(ct.mlp(6, code=3), tmp_path)
    save_file({}, tmp_path / "model.safetensors")
    with pytest.raises(StorageError, match="must describe the weights it holds, got: no weights"):
        ct.load(tmp_path)


def test_an_architecture_is_the_same_wherever_it_lies_in_memory():
    class Wave(nn.Module):
        def extra_repr(self):
            return f"{object()}"

    made = nn.Sequential(nn.Linear(2, 3), Wave()), nn.Sequential(nn.Linear(2, 3), Wave())
    assert architecture(made[0]) == architecture(made[1])
    assert "<object object>" in architecture(made[0])
    assert architecture(nn.Sequential(nn.ReLU())) != architecture(nn.Sequential(nn.Sigmoid()))


def test_a_checksum_is_that_of_the_bytes():
    x = torch.tensor([[1.0, -2.0]])
    assert tensors_checksum([x, x[0, 0]]) == zlib.crc32(x.numpy().tobytes() + x[0, 0].numpy().tobytes())
    assert tensors_checksum([x.bfloat16()]) == zlib.crc32(bytes([0x80, 0x3F, 0x00, 0xC0]))
    assert tensors_checksum([x > 0]) == zlib.crc32(bytes([1, 0]))


@pytest.mark.parametrize("name", ["forward", "encode", "decode"])
def test_a_method_of_ones_own_is_not_lost_silently(name, tmp_path):
    own = type("Own", (ct.Autoencoder,), {name: lambda self, x: 2 * getattr(ct.Autoencoder, name)(self, x)})
    made = ct.mlp(4, code=2)
    with pytest.raises(StorageError, match=f"The `{name}` of Own would be lost"):
        ct.save(own(made.encoder, made.decoder, recipe=made.recipe), tmp_path)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.register_buffer("scale", torch.full((1,), 3.0), persistent=False)

    def forward(self, x):
        return x + self.scale * torch.tanh(self.inner(x))


class Own(ct.Autoencoder):
    def encode(self, x):
        return self.encoder(x) + 0.0


def residual(width, activation="tanh"):
    layer = nn.Linear(width, width)
    encoder = nn.Sequential(Residual(width), nn.LayerNorm(width), models.ACTIVATIONS[activation](), layer)
    decoder = nn.Sequential(nn.Linear(width, width), Residual(width))
    decoder[0].weight = layer.weight  # tied
    return Own(encoder, decoder)


def test_own_modules_come_back_by_their_builder(tmp_path):
    saved, x = residual(4, "gelu").eval(), torch.rand(3, 4)
    ct.save(saved, tmp_path, builder=partial(residual, width=4, activation="gelu"), extra={"note": 1})
    state = torch.get_rng_state()
    loaded = ct.load(tmp_path, builder=residual)
    assert torch.equal(torch.get_rng_state(), state)
    assert type(loaded) is Own
    assert torch.equal(loaded(x), saved(x))
    assert loaded.decoder[0].weight is loaded.encoder[3].weight
    assert read_config(tmp_path).recipe == models.Recipe("residual", {"width": 4, "activation": "gelu"})
    content = (tmp_path / "config.json").read_text()
    assert __name__ not in content  # no place of code


@pytest.mark.parametrize(
    ("builder", "match"),
    [
        (residual, "loaded with the builder 'make', got another. Pass that one"),
        (None, "loaded with its builder, 'make', which is none of this library's. Pass the function it was"),
    ],
)
def test_own_modules_need_the_builder_they_were_saved_with(builder, match, tmp_path):
    def make():
        return residual(4)

    ct.save(residual(4), tmp_path, builder=make)
    with pytest.raises(StorageError, match=match):
        ct.load(tmp_path, builder=builder)


@pytest.mark.parametrize(
    ("builder", "match"),
    [
        (partial(residual, width=4, activation="relu"), "The encoder has other modules than residual made"),
        (partial(residual, 4), r"must be given by keyword. Write partial\(builder, name=value\)"),
        (partial(residual, width=torch.ones(1)), "argument 'width' must be a number, a string, or a list"),
        (lambda: residual(4).double(), "The weights have other names, shapes or types"),
    ],
)
def test_a_builder_that_makes_something_else_is_refused(builder, match, tmp_path):
    with pytest.raises(StorageError, match=match):
        ct.save(residual(4), tmp_path / "model", builder=builder)
    assert not (tmp_path / "model").exists()
