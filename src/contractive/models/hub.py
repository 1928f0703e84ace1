"""Models on the Hugging Face Hub: safetensors, JSON and a model card. Needs the extra `hub`."""

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

    Arguments as in `Autoencoder`, and `extra`: JSON-able facts kept beside the model, such as the preparation of a run.

    Examples:
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
        self.extra = extra or {}

    @classmethod
    def of(cls, autoencoder: Autoencoder, *, extra: Any = None) -> Self:
        """Return the same autoencoder, its weights shared, in evaluation mode."""
        return cls(autoencoder.encoder, autoencoder.decoder, recipe=autoencoder.recipe, extra=extra).eval()

    def _save_pretrained(self, save_directory: Path) -> None:
        save(self, save_directory, extra=self.extra or None)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> Self:
        folder = Path(model_id)
        if not folder.is_dir():
            # other versions of the mixin pass more
            names = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            known = {name: options[name] for name in names if name in options}
            folder = Path(snapshot_download(model_id, allow_patterns=[*FILES], **known))
        return cls.of(load(folder), extra=read_config(folder).extra)

    def generate_model_card(
        self,
        *args: Any,
        title: str = "Autoencoder",
        repository: str = "name/of-this-model",
        more: str = "",
        tags: Any = (),
        **kwargs: Any,
    ) -> ModelCard:
        """Return the README: heading, name on the hub, more text, tags, and fields of its head, such as `license`."""
        recipe = self.recipe or Recipe("your own modules", {})
        given = recipe.arguments
        shape = given.get("shape", given.get("features", "features"))
        text = _CARD.format(
            title=title,
            described=f"`{recipe.builder}` with " + ", ".join(f"{name} {value}" for name, value in given.items()),
            parameters=sum(parameter.numel() for parameter in self.parameters()),
            repository=repository,
            features=" x ".join(map(str, shape)) if isinstance(shape, list | tuple) else shape,
            more=more,
        )
        head = ModelCardData(library_name="contractive", tags=sorted({"contractive", "autoencoder", *tags}), **kwargs)
        return ModelCard(f"---\n{head.to_yaml()}\n---\n{text}")
