"""Models to the hub and back, without a network."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.models import StorageError

hub = pytest.importorskip("contractive.models.hub", reason="needs the extra hub", exc_type=ModuleNotFoundError)

MODELS = {
    "mlp": lambda: ct.mlp(6, code=3, hidden=(5,)),
    "tied": lambda: ct.tied(6, 4),
    "conv": lambda: ct.conv((1, 6, 5), code=3, channels=(2,)),
}


def made(name="mlp", **more):
    torch.manual_seed(0)
    return hub.HubAutoencoder.of(MODELS[name](), **more)


@pytest.mark.parametrize("name", MODELS)
def test_what_comes_back_is_what_was_saved(tmp_path, name):
    model = made(name, extra={"scale": [1, 2]})
    assert model.save_pretrained(tmp_path / "model") is None
    again = hub.HubAutoencoder.from_pretrained(tmp_path / "model")
    x = torch.rand(2, 1, 6, 5) if name == "conv" else torch.rand(2, 6)
    assert torch.equal(again(x), model(x))
    assert torch.equal(ct.load(tmp_path / "model")(x), model(x))
    assert again.extra == {"scale": [1, 2]}
    assert not again.training
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert json.loads((tmp_path / "model" / "config.json").read_text())["content"]["recipe"]["builder"] == name


def test_saved_again_it_replaces_the_weights(tmp_path):
    made().save_pretrained(tmp_path)
    other = made()
    with torch.no_grad():
        other.encoder[0].weight.add_(1)
    other.save_pretrained(tmp_path)
    x = torch.rand(2, 6)
    assert torch.equal(hub.HubAutoencoder.from_pretrained(tmp_path)(x), other(x))


def test_a_folder_of_save_can_be_read(tmp_path):
    model = ct.mlp(6, code=3)
    ct.save(model, tmp_path)
    x = torch.rand(2, 6)
    assert torch.equal(hub.HubAutoencoder.from_pretrained(tmp_path)(x), model(x))


def test_the_card_says_what_it_is():
    card = made().generate_model_card(
        title="Digits", repository="me/digits", license="mit", tags=["digits"], more="End"
    )
    assert card.data.to_dict() == {
        "library_name": "contractive",
        "tags": ["autoencoder", "contractive", "digits"],
        "license": "mit",
    }
    assert "# Digits" in card.text
    assert 'from_pretrained("me/digits")' in card.text
    assert "features 6, code 3, hidden [5]" in card.text
    assert card.text.endswith("End")
    code = card.text.split("```python\n")[1].split("```")[0]
    assert "(rows, 6)" in code
    compile(code, "card", "exec")
    assert "(rows, 1 x 6 x 5)" in made("conv").generate_model_card().text


def test_push_uploads_these_files(monkeypatch):
    sent = {}

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **_):
            return type("Repo", (), {"repo_id": repo_id})

        def upload_folder(self, repo_id, folder_path, **_):
            sent[repo_id] = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
            return "url"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    assert made().push_to_hub("me/model", model_card_kwargs={"title": "Mine"}) == "url"
    assert set(sent["me/model"]) == {"README.md", "config.json", "model.safetensors"}
    assert b"# Mine" in sent["me/model"]["README.md"]


def test_from_the_hub_only_the_two_files_are_fetched(tmp_path, monkeypatch):
    model = made()
    model.save_pretrained(tmp_path)
    asked = {}

    def snapshot(name, **settings):
        asked[name] = settings
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", lambda **_: str(tmp_path / "config.json"))
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    again = hub.HubAutoencoder.from_pretrained("me/model", revision="v1")
    x = torch.rand(2, 6)
    assert torch.equal(again(x), model(x))
    assert asked["me/model"]["revision"] == "v1"
    assert asked["me/model"]["allow_patterns"] == ["config.json", "model.safetensors"]


def test_what_cannot_be_saved_or_read_is_refused(tmp_path):
    own = ct.Autoencoder(nn.Linear(3, 2), nn.Linear(2, 3))
    with pytest.raises(StorageError, match=r"autoencoder must come from a builder \(mlp, tied, conv, residual\)"):
        hub.HubAutoencoder.of(own).save_pretrained(tmp_path / "own")
    made().save_pretrained(tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"pickle")
    with pytest.raises(StorageError, match=r"model\.safetensors cannot be read"):
        hub.HubAutoencoder.from_pretrained(tmp_path / "broken")


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "contractive.models.hub", raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"contractive.models.hub needs huggingface_hub. Run: pip install 'contr"
    ):
        import contractive.models.hub  # noqa: F401
