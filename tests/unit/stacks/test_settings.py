"""Bad settings stop synth with one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from scones.review import NONE
from scones.reviewer import QUIT, SKIP
from stacks.settings import SettingsError, load
from stacks.settings.data import CIFAR100, DRAWN, S3Data
from training.drawings.gallery import CLASSES

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ROOT / "tests" / "environments"

SEARCH = """
[classifier.vehicles.training]
max_runtime_minutes = 15
[{at}]
trials = 2
parallel = 1
"""


def _load(tmp_path: Path, overlay: str, env: str = "dev", name: str | None = None) -> None:
    path = tmp_path / "overlay.toml"
    path.write_text(overlay)
    load(ENVIRONMENTS, env, name=name, overlay=path)


@pytest.mark.parametrize("path", sorted((ROOT / "environments").glob("*.toml")), ids=lambda path: path.stem)
def test_environments_are_valid(path: Path) -> None:
    load(path.parent, path.stem)


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_what_is_deployed_is_named_after_its_environment(env: str) -> None:
    settings = load(ENVIRONMENTS, env)
    assert settings.prefix("vehicles") == f"scones-{env}-vehicles"
    assert settings.classifier["vehicles"].classes == ("bicycle", "motorcycle")


def test_the_known_environments_are_listed_when_one_is_unknown() -> None:
    with pytest.raises(SettingsError, match=r"no environment 'staging'.*dev, prod"):
        load(ENVIRONMENTS, "staging")


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ("colour = 1", "Unknown setting colour"),
        ('alarm_emails = ["a@example.com", "a@example.com"]', "a@example.com is there twice: remove one"),
        (
            '[classifier.vehicles.data]\nkind = "s3"\nuri = "s3://my.company-.photos/x/"',
            "'my.company-.photos' is no name that a bucket can have",
        ),
        (
            '[classifier.vehicles.data]\nkind = "s3"\nuri = "s3://192.168.1.1/x/"',
            "'192.168.1.1' is no name that a bucket can have",
        ),
        (
            '[classifier.vehicles.data]\nkind = "s3"\nuri = "s3://photos/*/"',
            "the prefix '*/' has '*', which policies read as something else",
        ),
        ('[tags]\nowner = ""', "the value '' of 'owner' has characters that AWS refuses, none at all"),
        (
            '[classifier.vehicles.routes]\ncat = "near"\ndog = "far"\n[classifier.vehicles.data]\nkind = "drawings"\n'
            "per_class = 50",
            "data of the kind drawings has no class 'cat', which routes names; it has bicycle, defective, good",
        ),
        (
            '[classifier.vehicles.routes]\nbicycle = "near"\nscooter = "far"',
            "data of the kind cifar100 has no class 'scooter', which routes names",
        ),
        (
            '[classifier.vehicles.training]\ninstance_type = "ml.p3.2xlarge"\ngpu = true',
            "the GPUs of ml.p3.2xlarge do not fit the images for training",
        ),
        (
            '[classifier.vehicles.serving]\ninstance_type = "ml.p6-b200.48xlarge"\ngpu = true',
            "the GPUs of ml.p6-b200.48xlarge do not fit the images for serving",
        ),
        ('[tags]\nProject = "bakery"', "'project' and 'Project' are one key to IAM"),
        (
            f"alarm_emails = {[f'{number}@example.com' for number in range(11)]}\n"
            "[classifier.vehicles.monitoring]\nmonthly_budget = 100",
            "alarm_emails has 11 addresses, and the budget of 'vehicles' tells 10 at most",
        ),
        (
            '[classifier.vehicles.serving]\ninstance_type = "ml.m6g.large"',
            "ml.m6g.large has ARM processors, and AWS's images are for x86",
        ),
        (
            '[classifier.vehicles.serving]\ninstance_type = "ml.t2.medium"\n[classifier.vehicles.serving.scaling]\n'
            "minimum_instances = 1\nmaximum_instances = 2\ntarget_concurrency = 4",
            "ml.t2.medium is burstable, which Application Auto Scaling does not register",
        ),
        ('[classifier.vehicles.routes]\n".." = "near"\nother = "far"', "the class name '..' may hold"),
        (
            '[classifier.vehicles.routes]\n_one = "near"\nother = "far"',
            "a letter or digit first and 64 at most",
        ),
        ('[classifier.vehicles.routes]\nvan = "near"\nVan = "far"', "differ in upper and lower case alone"),
        ("[classifier.vehicles.serving]\nspeed = 1", "Unknown setting classifier.vehicles.serving.speed"),
        (
            "[classifier.vehicles.serving]\ngpu = true",
            "gpu = true needs a GPU instance, and ml.m5.large has none",
        ),
        (
            '[classifier.vehicles.training]\ninstance_type = "ml.g5.xlarge"',
            "is a GPU instance: set gpu = true",
        ),
        (
            "[classifier.vehicles.monitoring]\nwindow_images = 30",
            "a window of 30 images never has the minimum of 50: lower minimum_images",
        ),
        (
            '[classifier.vehicles.serving]\ninstance_type = "g5.xlarge"',
            "serving.instance_type in {path}: 'g5.xlarge' is no instance type that SageMaker has for serving",
        ),
        (
            '[classifier.vehicles.training]\ninstance_type = "ml.trn1.2xlarge"',
            "ml.trn1.2xlarge has chips of its own kind",
        ),
        (
            "[classifier.vehicles.limits]\nconcurrency = 0",
            "classifier.vehicles.limits.concurrency in {path}: 0 will",
        ),
        (
            "[classifier.vehicles.review]\nsample_rate = 1.5",
            "classifier.vehicles.review.sample_rate in {path}: 1.5 will",
        ),
        ('[classifier.vehicles.data]\nkind = "ftp"', "classifier.vehicles.data"),
        (
            '[classifier.vehicles.data]\nkind = "s3"\nuri = "s3://b"',
            "classifier.vehicles.data.uri in {path}: 's3://b'",
        ),
        ('[classifier.vehicles.data]\nkind = "s3"', "The setting classifier.vehicles.data.uri is missing"),
        ("[classifier.vehicles.training]\nspot = true", "training may take 60 minutes"),
        (
            '[classifier.vehicles.training.hyperparameters]\nclasses = "a,b"',
            "'classes' follows from other settings",
        ),
        ("[classifier.vehicles.training.hyperparameters]\ntarget_error = 0.1", "'target-error' follows from"),
        ('[classifier.vehicles.routes]\nbicycle = "near"', "at least two classes"),
        *(
            (
                f'[classifier.vehicles.routes]\n{word} = "near"\nother = "far"',
                f"the class name '{word}' means something else to `scones review`: rename the class",
            )
            for word in (NONE, SKIP, QUIT, "2")
        ),
        (
            '[classifier.vehicles.data]\nkind = "folder"\npath = "/no/such"',
            "the folder /no/such does not exist",
        ),
        ('classifiers = ["trucks"]', "no classifier 'trucks'"),
        ("[classifier.vehicles.training]\nmax_runtime_minutes = 90", "cannot fit CloudFormation's hour"),
        (
            "[classifier.vehicles.serving]\ninstance_count = 2\nbake_minutes = 20",
            "baking 40 (twice bake_minutes with a canary), which cannot fit CloudFormation's hour",
        ),
        (
            "[classifier.vehicles.serving]\nbake_minutes = 2",
            "serving.bake_minutes in {path}: a rollout that is watched for 2 minutes is through before a guard alarm "
            "can ring, which takes 2 periods of 1 minute and 1 until metrics arrive: bake for 3 or more",
        ),
        (
            "[classifier.vehicles.serving]\nbake_minutes = 61",
            "serving.bake_minutes in {path}: 61 will not do",
        ),
        (
            "[classifier.vehicles.training]\nat_deploy = false\nspot = true\nmax_runtime_minutes = 800",
            "the workflow allows 1500",
        ),
        ("[classifier.vehicles.training]\ninstance_count = 0", "classifier.vehicles.training.instance_count"),
        ("[classifier.vehicles.training.hyperparameters]\nmagic = 1", "magic"),
        (
            SEARCH + "[{at}.ranges.epochs]\nminimum = 3\nmaximum = 3",
            "a minimum and a larger maximum, or values",
        ),
        (SEARCH + "[{at}.ranges.epochs]\nminimum = 0\nmaximum = 3", "'epochs' is 0, and it must be from 1"),
        (SEARCH + "[{at}.ranges.epochs]\nvalues = [2.5]", "'epochs' is '2.5', and it must be a whole number"),
        (
            SEARCH + "[{at}.ranges.epochs]\nvalues = [3, 3.0]",
            "a value of the hyperparameter 'epochs' is given twice",
        ),
        (SEARCH + f"[{{at}}.ranges.epochs]\nvalues = {[*range(1, 32)]}", "ranges.epochs.values"),
        (SEARCH + "[{at}.ranges.magic]\nvalues = [1]", "no hyperparameter 'magic'"),
        (SEARCH + "[{at}.ranges.target-error]\nvalues = [0.1]", "'target-error' follows from"),
        (
            SEARCH + "[{at}.ranges.dropout]\nminimum = 0.0\nmaximum = 0.5\nscale = 'log'",
            "logarithmic scale begins above 0",
        ),
        (
            SEARCH + "[{at}.ranges.image-size]\nminimum = 64\nmaximum = 224",
            "'image-size' cannot be every number from 64 to 224: give values",
        ),
        (
            SEARCH
            + "[{at}.ranges.learning-rate]\nvalues = [0.1]\n[{at}.ranges.learning_rate]\nvalues = [0.2]",
            "'learning-rate' is searched twice",
        ),
        (
            "[classifier.vehicles.training.hyperparameters]\nlearning-rate = 0.1\nlearning_rate = 0.2",
            "'learning-rate' is given twice",
        ),
        *(
            (SEARCH + f"[{{at}}.ranges.{name}]\nvalues = [{value}]", f"'{name}' is no choice of a model")
            for name, value in (("seed", "1"), ("threads", "2"), ("device", "'cpu'"))
        ),
        (
            SEARCH
            + "[{at}.ranges.epochs]\nvalues = [2, 3]\n[classifier.vehicles.training.hyperparameters]\nepochs = 5",
            "'epochs' is given and searched",
        ),
        (
            SEARCH.replace("trials = 2", "trials = 3") + "[{at}.ranges.epochs]\nvalues = [2]",
            "may take 45 minutes",
        ),
        (
            SEARCH.replace("parallel = 1", "parallel = 3") + "[{at}.ranges.epochs]\nvalues = [2]",
            "lower parallel",
        ),
        ("colour = ", "not valid TOML"),
        (
            '[classifier.vehicles.training]\ninstance_type = "ml.m99.large"',
            "'ml.m99.large' is no instance type that SageMaker has for training",
        ),
        ('[tags]\nowner = "R&D <team>"', "'R&D <team>' of 'owner' has characters that AWS refuses"),
        ('[tags]\n"aws:owner" = "us"', "'aws:owner' has characters that AWS refuses, or a prefix"),
        ("[tags]\n" + "\n".join(f"tag{number} = 'x'" for number in range(60)), "Bad setting tags in"),
        ('alarm_emails = ["not an email"]', "alarm_emails.0 in {path}: 'not an email' will not do"),
        ('permissions_boundary = "my-boundary"', "permissions_boundary in {path}: 'my-boundary' will not do"),
        (
            'permissions_boundary = "arn:aws:iam::123456789012:role/us"',
            "permissions_boundary in {path}: 'arn:aws:iam::123456789012:role/us' will not do",
        ),
        (
            "[classifier.vehicles.routes]\n"
            + "\n".join(f"a_long_name_of_a_class_{number} = 'near'" for number in range(30)),
            "more than 256 characters together",
        ),
        (
            f"[classifier.vehicles.data]\nkind = 'cifar100'\nurl = 'https://a/{'b' * 300}'\nmd5 = '{'0' * 32}'",
            "classifier.vehicles.data.url",
        ),
    ],
)
def test_one_sentence_says_what_is_wrong_when_a_setting_is_bad(
    tmp_path: Path, overlay: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, overlay.replace("{at}", "classifier.vehicles.training.search"))
    assert message.replace("{path}", str(tmp_path / "overlay.toml")) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_settings_file_is_text_in_utf_8_with_a_mark_or_without(tmp_path: Path) -> None:
    (overlay := tmp_path / "overlay.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"overlay\.toml is no text in UTF-8: [^\n]+\.$"):
        load(ENVIRONMENTS, "dev", overlay=overlay)
    overlay.write_bytes(b"\xef\xbb\xbflog_retention_days = 30\n")
    assert load(ENVIRONMENTS, "dev", overlay=overlay).log_retention_days == 30


def test_a_name_is_refused_when_sagemaker_names_would_be_too_long(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"given by hand: the name .* too long"):
        _load(tmp_path, "", name="a-very-long-name-for-a-deployment")


def test_data_is_replaced_whole_when_an_overlay_names_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "overlay.toml"
    path.write_text('[classifier.vehicles.data]\nkind = "drawings"\nper_class = 30\n')
    assert load(ENVIRONMENTS, "dev", overlay=path).classifier["vehicles"].data.kind == "drawings"


def test_a_name_is_refused_when_it_could_not_begin_a_resource_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="given with -c name="):
        _load(tmp_path, "", name="My Scones")


def test_the_overlay_is_named_when_it_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml cannot be read: No such file"):
        load(ENVIRONMENTS, "dev", overlay=tmp_path / "absent.toml")


def test_a_bucket_root_may_be_the_source() -> None:
    source = S3Data(kind="s3", uri="s3://some-bucket/")
    assert (source.bucket, source.prefix) == ("some-bucket", "")


def test_more_classes_are_a_matter_of_settings(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.toml"
    overlay.write_text(
        "[classifier.vehicles.routes]\n"
        'bicycle = "near"\nmotorcycle = "far"\npickup_truck = "bulky"\nbus = "none"\n'
    )
    chosen = load(ENVIRONMENTS, "dev", overlay=overlay).classifier["vehicles"]
    assert chosen.classes == ("bicycle", "motorcycle", "pickup_truck", "bus")
    assert chosen.data.kind == "cifar100"


SCALING = """
[classifier.vehicles.serving]
instance_count = {count}
[classifier.vehicles.serving.scaling]
minimum_instances = {least}
maximum_instances = {most}
target_concurrency = 4
"""
NIGHT = 'night = {{start = "{start}", end = "{end}", minimum_instances = {least}, timezone = "{zone}"}}'


def _scaling(count: int, least: int, most: int, night: str = "") -> str:
    return SCALING.format(count=count, least=least, most=most) + night


def _night(least: int, start: str = "22:00", end: str = "06:00", zone: str = "Europe/Berlin") -> str:
    return NIGHT.format(start=start, end=end, least=least, zone=zone)


@pytest.mark.parametrize("overlay", [_scaling(1, 1, 4), _scaling(2, 2, 4), _scaling(3, 3, 4, _night(2))])
def test_scaling_is_possible(tmp_path: Path, overlay: str) -> None:
    _load(tmp_path, overlay)


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        (_scaling(1, 2, 4), "instance_count = 1, with which an endpoint begins, is not between"),
        (_scaling(5, 2, 4), "instance_count = 5, with which an endpoint begins, is not between"),
        (_scaling(2, 1, 4), "let scaling leave 2, at night as well"),
        (_scaling(3, 3, 4, _night(1)), "let scaling leave 2, at night as well"),
        (_scaling(2, 2, 2), "from 2 to 2 instances there is nothing to scale"),
        (_scaling(3, 3, 4, _night(3)), "no fewer than the day's 3"),
        (_scaling(3, 3, 4, _night(2, end="22:00")), "a night from 22:00 to 22:00 never ends"),
        (_scaling(3, 3, 4, _night(2, start="24:00")), "serving.scaling.night.start in {path}: '24:00' will"),
        (_scaling(3, 3, 4, _night(2, zone="Mars/Olympus")), "'Mars/Olympus' is no time zone"),
        (_scaling(2, 2, 4).replace("= 4\n", "= 0\n"), "classifier.vehicles.serving.scaling"),
    ],
)
def test_synth_stops_with_a_sentence_when_scaling_is_impossible(
    tmp_path: Path, overlay: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, overlay)
    assert message.format(path=tmp_path / "overlay.toml") in str(caught.value)


def test_a_name_that_could_be_another_deployments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'scones-dev' holds the environment 'dev'"):
        _load(tmp_path, "", env="prod", name="scones-dev")
    (tmp_path / "eu-dev.toml").write_text((ENVIRONMENTS / "dev.toml").read_text())
    with pytest.raises(SettingsError, match=r"'eu-dev' must have no '-' in its name"):
        load(tmp_path, "eu-dev")


def _with_a_file(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "0.png").touch()


def test_the_classes_that_a_folder_has_are_those_that_routes_may_name(tmp_path: Path) -> None:
    overlay = f'[classifier.vehicles.data]\nkind = "folder"\npath = "{tmp_path / "data"}"\n'
    for name in ("bikes", "motorbikes"):
        _with_a_file(tmp_path / "data" / name)
    with pytest.raises(
        SettingsError, match="has no class 'bicycle', which routes names; it has bikes, motorbikes"
    ):
        _load(tmp_path, overlay)
    for name in ("bicycle", "motorcycle"):
        _with_a_file(tmp_path / "data" / name)
    _load(tmp_path, overlay)
    (tmp_path / "data").rename(tmp_path / "inner")
    (tmp_path / "data").mkdir()
    (tmp_path / "inner").rename(tmp_path / "data" / "inner")
    _load(tmp_path, overlay)


@pytest.mark.parametrize("above", ["", "pictures", "my/pictures"])
@pytest.mark.parametrize("splits", [["train"], ["Train", "Test"], ["train", "validation", "test"]])
def test_classes_are_known_where_the_source_splits_itself(
    tmp_path: Path, above: str, splits: list[str]
) -> None:
    overlay = f'[classifier.vehicles.data]\nkind = "folder"\npath = "{tmp_path / "data"}"\n'
    for split in splits:
        for name in ("bicycle", "motorbike"):
            _with_a_file(tmp_path / "data" / above / split / name)
    with pytest.raises(
        SettingsError, match="has no class 'motorcycle', which routes names; it has bicycle, motorbike"
    ):
        _load(tmp_path, overlay)
    for split in splits:
        (tmp_path / "data" / above / split / "motorbike").rename(
            tmp_path / "data" / above / split / "motorcycle"
        )
    _load(tmp_path, overlay)


def test_the_drawings_are_those_that_there_are_pens_for() -> None:
    assert set(CLASSES) == DRAWN
    assert len(CIFAR100) == 100
