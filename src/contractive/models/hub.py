"""Models on the Hugging Face Hub: our own two files, safetensors and JSON, and a model card. Needs the extra `hub`."""

from pathlib import Path
from typing import Any, Self

from contractive.models._autoencoder import Autoencoder, Recipe
from contractive.models.storage import load, read_config, save

try:
    from huggingface_hub import ModelCard, ModelCardData, ModelHubMixin, snapshot_download
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"contractive.models.hub needs {error.name}. Run: pip install 'contractive[hub]'", name=error.name
    ) from error

FILES = ("config.json", "model.safetensors")

_CARD = """
# {title}

A contractive autoencoder or a relative of it: {described}, {parameters:,} parameters.

```python
from contractive.models.hub import HubAutoencoder

autoencoder = HubAutoencoder.from_pretrained("{repository}")  # pip install 'contractive[hub]'
code = autoencoder.encode(x)  # x: torch.Tensor (rows, {features}), scaled as in training
x_again = autoencoder.decode(code)
```

The files are safetensors and JSON; nothing in them is executed. `contractive.load` reads the folder as well.
{more}"""


class HubAutoencoder(Autoencoder, ModelHubMixin):
    """An autoencoder with `save_pretrained`, `from_pretrained` and `push_to_hub`.

    Args:
        encoder: As in `Autoencoder`, which it is in everything else.
        decoder: See there.
        recipe: See there; without one it cannot be saved.
        extra: JSON-able facts kept beside the model, for instance `run.preparation.to_dict()`.

    Example:
        >>> import contractive as ct, tempfile, torch
        >>> model = HubAutoencoder.of(ct.mlp(4, code=2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = model.save_pretrained(folder)  # or model.push_to_hub("name/my-model")
        ...     again = HubAutoencoder.from_pretrained(folder)
        >>> x = torch.rand(3, 4)
        >>> torch.equal(again(x), model(x))
        True
    """

    def __init__(self, encoder: Any, decoder: Any, *, recipe: Any = None, extra: Any = None) -> None:
        super().__init__(encoder, decoder, recipe=recipe)
        self.extra: dict[str, Any] = extra or {}

    @classmethod
    def of(cls, autoencoder: Autoencoder, *, extra: dict[str, Any] | None = None) -> Self:
        """The same autoencoder, its weights shared, in evaluation mode."""
        return cls(autoencoder.encoder, autoencoder.decoder, recipe=autoencoder.recipe, extra=extra).eval()

    def _save_pretrained(self, save_directory: Path) -> None:
        save(self, save_directory, extra=self.extra or None)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        **_: Any,  # what further versions of the mixin hand on
    ) -> Self:
        folder = Path(model_id)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    model_id,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                    allow_patterns=[*FILES],
                )
            )
        return cls.of(load(folder), extra=read_config(folder).get("extra"))

    def generate_model_card(self, *args: Any, title: str = "Autoencoder", **kwargs: Any) -> ModelCard:
        """The README: what the model is and how to use it.

        Args:
            args: Ignored; the mixin's signature.
            title: Heading.
            kwargs: `repository` (name on the hub), `more` (text at the end), and fields of the card's head such as
                `license` or `tags`.
        """
        words = {"repository": kwargs.pop("repository", "name/of-this-model"), "more": kwargs.pop("more", "")}
        tags = sorted({"contractive", "autoencoder", *kwargs.pop("tags", ())})
        head = ModelCardData(library_name="contractive", tags=tags, **kwargs)
        parameters = sum(parameter.numel() for parameter in self.parameters())
        recipe = self.recipe or Recipe("own modules", {})
        given = recipe.arguments
        features = given.get("features") or " x ".join(map(str, given.get("shape", ["features"])))
        described = f"`{recipe.builder}` with " + ", ".join(f"{name} {value}" for name, value in given.items())
        text = _CARD.format(title=title, described=described, parameters=parameters, features=features, **words)
        return ModelCard(f"---\n{head.to_yaml()}\n---\n{text}")
