"""One demo: what it was asked for, where it keeps things, and the phases that it goes through."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.cdk import bootstrap, run_cdk
from localcloud.errors import CdkError
from localcloud.instance import STATE_FILE, Instance
from localcloud.inventory import inventory, leftovers
from scones.classification import Decision, classify
from scones.demo import results
from scones.demo.voice import Voice
from scones.demo.watch import TrainingWatch
from scones.errors import RejectedError, SconesError, TrainingError
from scones.files import name_objects
from scones.target import ROOT, Target, of_instance

ENV, NAME = "dev", "scones"
RESULTS = ROOT / "build" / "demo"
PATIENCE = 180.0
"""Seconds without a new decision after which the demo gives up."""
SETTLE_SECONDS = 20.0
"""How long after a destroy what is ending may take to be gone."""
STATE = "demo.json"


@dataclass
class Session:
    """A demo's instance and what is known about its deployment.

    Attributes
    ----------
    instance
        The local cloud.
    classifier
        What is deployed.
    folder
        Where reports and logs go.
    before
        What existed before the deployment.
    seconds
        How long each phase took.
    """

    instance: Instance
    classifier: str
    folder: Path
    voice: Voice
    before: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def overlay(self) -> Path:
        """The settings file laid over the environment's."""
        return self.instance.directory / "settings.toml"

    @property
    def target(self) -> Target:
        """The deployment."""
        return of_instance(self.instance, name=NAME, env=ENV, classifier=self.classifier)

    def save(self) -> None:
        """Keep what `load` needs, so that another process can destroy the deployment."""
        state = {"classifier": self.classifier, "folder": str(self.folder), "before": self.before}
        (self.instance.directory / STATE).write_text(json.dumps(state), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path, voice: Voice) -> Session:
        """Find a demo that was left running.

        Raises
        ------
        NotRunningError, SconesError
        """
        instance = Instance.load(directory)
        path = instance.directory / STATE
        if not path.is_file():
            raise SconesError(
                f"The local cloud {directory.name} holds no deployment of the demo: end it with "
                f"`scones local down --instance {directory.name}`."
            )
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(instance, state["classifier"], Path(state["folder"]), voice, state["before"])

    def deploy(self) -> None:
        """Bootstrap and deploy; training happens inside.

        Raises
        ------
        TrainingError, RejectedError, CdkError
        """
        with self._timed("deploy"):
            with self.voice.phase("Bootstrapping the local cloud"):
                bootstrap(
                    self.instance, project=ROOT, output=self._cdk_output, on_line=self._log("bootstrap.log")
                )
            # Taken now: what the bootstrap makes belongs to the account, not to this deployment.
            self.before = inventory(self.instance)
            self.save()
            watch = TrainingWatch(self.target, self.voice, self.folder)
            with self.voice.phase("Deploying (the training is part of it)"):
                try:
                    with watch:
                        self._cdk("deploy", "--all", "--require-approval", "never", "--progress", "events")
                except CdkError as error:
                    raise self._why(watch, error) from error
        self.seconds["train"] = watch.end.seconds if watch.end else 0.0
        self.seconds["deploy"] = max(0.0, self.seconds["deploy"] - self.seconds["train"])

    def classify(self) -> tuple[results.Model, list[Decision]]:
        """Classify the held-back pictures.

        Raises
        ------
        SconesError
            When a picture got no outcome.
        """
        with self._timed("classify"), self.voice.phase("Classifying the held-back pictures"):
            target = self.target
            model = results.fetch(target, self.folder / "pictures")
            images = name_objects([each.path for each in model.held], self.classifier)
            decisions = classify(
                target,
                images,
                patience=PATIENCE,
                on_sent=lambda done, total: self.voice.now(f"{done} of {total} sent"),
                on_decided=lambda done, total: self.voice.now(f"{done} of {total} decided"),
            )
        missing = sum(each.outcome is None for each in decisions)
        if missing:
            raise SconesError(
                f"{missing} of {len(decisions)} pictures got no outcome in {PATIENCE:.0f} s; the emulator's "
                f"log may say why: {self.folder / 'emulator.log'}."
            )
        return model, decisions

    def destroy(self) -> list[str]:
        """Destroy the stacks, and return what is left behind.

        Raises
        ------
        CdkError
        """
        with self._timed("destroy"), self.voice.phase("Destroying"):
            self._cdk("destroy", "--all", "--force")
            deadline = time.monotonic() + SETTLE_SECONDS
            while True:
                left = leftovers(self.before, inventory(self.instance))
                if not left or time.monotonic() > deadline:
                    return left
                time.sleep(1)

    def stop(self, *, keep_log: bool) -> None:
        """End the local cloud and remove its folder; safe to repeat."""
        if keep_log and self.instance.log_path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.instance.log_path, self.folder / "emulator.log")
        self.instance.stop()
        shutil.rmtree(self.instance.directory, ignore_errors=True)

    def _why(self, watch: TrainingWatch, error: CdkError) -> Exception:
        """Return what to tell about a failed deployment: the training's own reason where it has one."""
        if watch.end is not None and watch.end.status == "rejected":
            kept = self.folder / "evaluation.json"
            report = f" The evaluation report is kept in {kept}." if kept.is_file() else ""
            return RejectedError(f"The model was rejected by the gate: {watch.end.reason}{report}")
        if watch.end is not None and watch.end.status == "failed":
            return TrainingError(f"The training failed: {watch.end.reason}")
        return error

    def _cdk(self, *arguments: str) -> None:
        context = ("-c", f"env={ENV}", "-c", f"name={NAME}", "-c", f"settings={self.overlay}")
        try:
            run_cdk(
                self.instance,
                [*arguments, *context],
                project=ROOT,
                output=self._cdk_output,
                on_line=self._log(f"{arguments[0]}.log"),
            )
        except CdkError as error:
            if self.instance.running():
                raise
            raise SconesError(
                f"The local cloud ended while the CDK CLI was at work ({arguments[0]}): its log may say why."
            ) from error

    @property
    def _cdk_output(self) -> Path:
        return self.instance.directory / "cdk.out"

    def _log(self, name: str) -> Any:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)

        def line(text: str) -> None:
            with path.open("a", encoding="utf-8") as log:
                log.write(text + "\n")
            if "✅" in text:
                self.voice.detail(text.strip())
            elif "_IN_PROGRESS" in text or "_COMPLETE" in text:
                self.voice.now(" ".join(part.strip() for part in text.split("|")[2:]))

        return line

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = time.monotonic() - started


def clear_dead(local: Path) -> None:
    """Remove the folders of demos that were killed; a folder that is kept has a name of its own choice."""
    for state in sorted(local.glob(f"*/{STATE_FILE}")):
        if not Instance.lives(state.parent):
            Instance.clear(state.parent)


def free_directory(local: Path, wanted: Sequence[str]) -> Path:
    """Return the first of these instance folders in which nothing runs."""
    from localcloud.errors import NotRunningError  # noqa: PLC0415

    for name in wanted:
        try:
            Instance.load(local / name)
        except NotRunningError:
            return local / name
    raise SconesError(f"The local cloud {wanted[-1]} is in use: end it with `make down` first.")
