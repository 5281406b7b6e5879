"""Self-critical training: its gradient, samples and rewards, and that it learns and resumes."""

import csv
import itertools
import json

import h5py
import numpy as np
import pytest
import torch
from pycocoevalcap.cider.cider import Cider

from recap.captioners.folder import load_captioner
from recap.captioners.recipe import Recipe
from recap.captions.words import SPECIAL_WORDS
from recap.core.errors import InputError
from recap.training.batches import CaptionedImages
from recap.training.epochs import learning_rate
from recap.training.self_critical import SAMPLES, Critic, advantages
from recap.training.torch_trainer import TorchTrainer
from recap.training.train import train_captioner

WORDS = [*SPECIAL_WORDS, *"abcd"]
END, UNK = WORDS.index("<END>"), WORDS.index("<UNK>")
FEATURE_DIM = 3


def made_trainer(architecture="lstm", seed=0, words=WORDS, **settings):
    recipe = Recipe(architecture=architecture, wordvec_dim=4, hidden_dim=5, **settings)
    trainer = TorchTrainer(recipe, FEATURE_DIM, words, seed, torch.device("cpu"))
    for parameter in trainer.captioner.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return trainer


def test_samples_are_captions():
    trainer = made_trainer(dropout=0.5)
    features = np.random.default_rng(0).normal(size=(500, FEATURE_DIM)).astype(np.float32)
    captions = trainer.sample(features, max_words=6, temperature=1)
    assert captions.shape == (500, 8)
    assert (captions[:, 0] == WORDS.index("<START>")).all()
    for row in captions[:, 1:].tolist():
        length = row.index(END)
        assert 1 <= length <= 6
        assert set(row[:length]) <= {4, 5, 6, 7}
        assert set(row[length + 1 :]) <= {0}


def test_a_sample_ends_though_the_probability_of_its_end_underflows():
    trainer = made_trainer()
    trainer.captioner.b_vocab.data[END] = -1000
    captions = trainer.sample(np.zeros((9, FEATURE_DIM), np.float32), 3, temperature=0.5)
    assert (captions[:, 4] == END).all()
    assert (captions[:, 1:4] > UNK).all()


@pytest.mark.parametrize("temperature", [1, 0.5])
def test_samples_are_drawn_by_their_probability(temperature):
    """Of all captions of at most two words, under the model without what is never said."""
    trainer = made_trainer()
    features = np.tile(np.float32([[0.3, -0.2, 0.9]]), (20_000, 1))
    drawn = [tuple(row) for row in trainer.sample(features, 2, temperature)[:, 1:].tolist()]
    captions = [(word, END, 0) for word in range(4, 8)]
    captions += [(*pair, END) for pair in itertools.product(range(4, 8), repeat=2)]
    for caption in captions:
        state = trainer.captioner.first_state(torch.from_numpy(features[:1]))
        probability, word = 1.0, 1
        for place, following in enumerate(caption[:2]):
            spoken, state = trainer.captioner.step(torch.tensor([word]), state)
            chances = spoken[0].exp() ** (1 / temperature)
            chances[[0, 1, 3, *([END] if place == 0 else [])]] = 0
            probability *= (chances[following] / chances.sum()).item()
            word = following
            if following == END:
                break
        assert drawn.count(caption) / len(drawn) == pytest.approx(probability, abs=0.015)


@pytest.mark.parametrize("architecture", ["rnn", "gru", "lstm", "transformer"])
def test_the_mean_gradient_is_that_of_the_expected_reward(architecture):
    """Summed over all captions of up to two words, each with its probability: no sampling."""
    trainer = made_trainer(architecture)
    captioner = trainer.captioner.double()
    captioner.precision = torch.float64
    captions = [(1, word, END, 0) for word in range(4, 8)]
    captions += [(1, *pair, END) for pair in itertools.product(range(4, 8), repeat=2)]
    captions = np.array(captions)
    rewards = np.random.default_rng(0).uniform(0, 10, len(captions))
    features = torch.randn(1, FEATURE_DIM, dtype=torch.float64).expand(len(captions), -1)
    unsaid = [0, 1, 3]

    logs = []
    for caption in captions:
        state, log = captioner.first_state(features[:1]), 0.0
        for word, following in itertools.pairwise(caption[caption != 0]):
            spoken, state = captioner.step(torch.tensor([word]), state)
            spoken = spoken.index_fill(1, torch.tensor(unsaid), -torch.inf)
            log = log + spoken.log_softmax(1)[0, following]
        logs.append(log)
    probabilities = torch.stack(logs).exp()
    expected = -(probabilities @ torch.from_numpy(rewards))
    wanted = torch.autograd.grad(expected, list(captioner.parameters()))

    factors = len(captions) * probabilities.detach().numpy() * rewards
    loss = captioner(features, captions, factors, unsaid)
    found = torch.autograd.grad(loss, list(captioner.parameters()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)
    # A word that is never drawn gains nothing, whatever is rewarded.
    names = [name for name, _ in captioner.named_parameters()]
    bias = found[names.index("output.bias" if architecture == "transformer" else "b_vocab")]
    assert (bias[unsaid] == 0).all()


def test_people_are_learnt_from_beside_own_captions():
    """Where no caption of its own is better than another, a step is one on what people say."""
    features = np.random.default_rng(0).normal(size=(6, FEATURE_DIM)).astype(np.float32)
    said = np.array([[1, 4, 5, END], [1, 6, END, 0]] * 3)
    changes = []
    for critical in (False, True):
        trainer = made_trainer(gradient_clip=1e9)
        before = trainer.parameters()
        if critical:
            own = features, trainer.sample(features, 3, 1.0)
            told = trainer.loss(features, said)
            loss = trainer.self_critical_step(own, np.zeros(6), (features, said), 0.3, 0.01)
            assert loss == pytest.approx(0.3 * told)
        else:
            trainer.step(features, said, 0.01)
        changes.append({name: after - before[name] for name, after in trainer.parameters().items()})
    for name, change in changes[0].items():
        np.testing.assert_allclose(changes[1][name], change, atol=1e-4, err_msg=name)
        assert np.abs(change).max() > 0.005


def test_rewards_are_cider_of_the_words_and_the_end():
    generator = np.random.default_rng(0)
    captions = np.zeros((30, 7), np.int64)
    for row in captions:
        words = generator.integers(3, len(WORDS), generator.integers(1, 6))
        row[: len(words) + 2] = [1, *words, END]
    images = np.repeat([2, 3, 7, 8, 9, 20], 5)  # some images have no captions
    train = CaptionedImages(np.zeros((21, 1), np.float32), captions, images)
    samples, of = captions[::-1][:12], images[:12]
    rewards = Critic(train, WORDS)(of, samples)

    def text(row):
        return " ".join(WORDS[number] for number in row if number not in (0, 1))

    truths, spoken = {}, {}
    for number, (image, sample) in enumerate(zip(of, samples, strict=True)):
        spoken[number] = [text(sample)]
        truths[number] = [text(row) for row in captions[images == image]]
    # The package takes the rarity of words from the images it scores: score each image once more.
    for image in np.unique(images):
        spoken[100 + image] = ["x"]
        truths[100 + image] = [text(row) for row in captions[images == image]]
    one_by_one = []
    for number in range(12):
        same = 100 + of[number]
        given = {key: value for key, value in spoken.items() if key >= 100} | {same: spoken[number]}
        scores = Cider().compute_score({key: truths[key] for key in given}, given)[1]
        one_by_one.append(scores[list(given).index(same)])
    np.testing.assert_allclose(rewards, one_by_one, atol=1e-9)


def test_an_advantage_is_over_the_other_samples_of_the_image():
    rewards = np.array([1.0, 2, 3, 4, 5, 7, 7, 7, 7, 7])
    assert SAMPLES == 5
    np.testing.assert_allclose(advantages(rewards), [-2.5, -1.25, 0, 1.25, 2.5, 0, 0, 0, 0, 0])


# --- as a phase of training ---------------------------------------------------------------------


@pytest.fixture
def study(tmp_path):
    """Return a folder with 40 images of one word each, of which people say two things at random.

    An image shows its word in four regions, here more and there less.
    """
    generator = np.random.default_rng(0)
    what = generator.integers(0, FEATURE_DIM, 40)
    features = np.kron(
        np.float32([0.4, 0.8, 1.2, 1.6]), np.eye(FEATURE_DIM, dtype=np.float32)[what]
    )
    captions, image_idxs = np.zeros((200, 5), np.int32), np.repeat(np.arange(40), 5)
    for row, image in zip(captions, image_idxs, strict=True):
        other = generator.integers(4, len(WORDS)) if generator.random() < 0.5 else 7
        row[:4] = [1, 4 + what[image], other, END]
    for split in ("train", "dev"):
        with h5py.File(tmp_path / f"{split}_captions.h5", "w") as file:
            file[f"{split}_captions"] = captions
            file[f"{split}_image_idxs"] = image_idxs.astype(np.int32)
    for split in ("train", "dev"):
        with h5py.File(tmp_path / f"{split}_features.h5", "w") as file:
            file["features"] = features
            file.attrs["regions"] = "4"
    numbers = {word: number for number, word in enumerate(WORDS)}
    vocabulary = {"idx_to_word": WORDS, "word_to_idx": numbers}
    (tmp_path / "vocabulary.json").write_text(json.dumps(vocabulary))
    return tmp_path


def train(study, name, **settings):
    rates = {"learning_rate": 0.02, "self_critical_learning_rate": 0.02}
    sizes = {"wordvec_dim": 8, "hidden_dim": 16, "batch_size": 20, "epochs": 3}
    train_captioner(
        study / "train_features.h5",
        study / "train_captions.h5",
        study / "vocabulary.json",
        output=study / name,
        recipe=Recipe(**rates | sizes | settings),
        dev_features=study / "dev_features.h5",
        dev_captions=study / "dev_captions.h5",
        threads=1,
    )
    with (study / name / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_reward_rises_and_the_last_epoch_is_kept(study):
    rows = train(study, "model", self_critical_epochs=15)
    rewards = [float(row["reward"]) for row in rows if row["reward"]]
    assert np.mean(rewards[-10:]) > 1.3 * np.mean(rewards[:10])
    for row in rows:
        assert bool(row["loss"]) == (int(row["epoch"]) <= 3)
        assert bool(row["loss"]) != bool(row["reward"])
    assert sum(bool(row["validation_loss"]) for row in rows) == 18
    facts = load_captioner(study / "model").facts
    assert facts["best_epoch"] == 18
    assert facts["best_validation_loss"] == float(rows[-1]["validation_loss"])


@pytest.mark.parametrize(
    ("dies_at", "architecture"),
    [*itertools.product([10, 31, 45, 60], ["lstm"]), (45, "transformer")],
)
def test_an_interrupted_training_ends_in_the_same_bytes(study, monkeypatch, dies_at, architecture):
    """Steps 1 to 30 are of the first phase, 31 to 70 of the second."""
    settings = {"self_critical_epochs": 4, "dropout": 0.2, "region_dropout": 0.5}
    settings |= {"architecture": architecture, "attention": architecture == "transformer"}
    train(study, "whole", **settings)
    taken = itertools.count(1)

    def dying(step):
        def dying_step(*arguments):
            if next(taken) == dies_at:
                raise KeyboardInterrupt
            return step(*arguments)

        return dying_step

    monkeypatch.setattr("recap.core.checkpoint.CHECKPOINT_SECONDS", -1)
    for name in ("step", "self_critical_step"):
        monkeypatch.setattr(TorchTrainer, name, dying(getattr(TorchTrainer, name)))
    with pytest.raises(KeyboardInterrupt):
        train(study, "killed", **settings)
    train(study, "killed", **settings)
    whole, killed = (
        (study / name / "model.safetensors").read_bytes() for name in ("whole", "killed")
    )
    assert whole == killed


@pytest.fixture
def steps(monkeypatch):
    """Return a list that gets what each self-critical step is taken with."""
    step, taken = TorchTrainer.self_critical_step, []

    def noted_step(trainer, drawn, advantages, said, *settings):
        taken.append((*drawn, *said))
        return step(trainer, drawn, advantages, said, *settings)

    monkeypatch.setattr(TorchTrainer, "self_critical_step", noted_step)
    return taken


def make_another_dev_split(study):
    """Have the dev split's images look like no training image; of each people say one thing."""
    with h5py.File(study / "dev_features.h5", "a") as file:
        file["features"][:] = -file["features"][:]
    with h5py.File(study / "dev_captions.h5", "a") as file:
        file["dev_captions"][:] = [1, 7, 7, END, 0]


def test_captions_are_drawn_for_training_images_and_held_against_theirs(study, steps):
    make_another_dev_split(study)
    rows = train(study, "model", self_critical_epochs=1)
    for views, _, said_views, said in steps:
        assert views.min() >= 0
        assert said_views.min() >= 0
        assert (said[:, 1] < 7).all()
    # What all say of all images has no weight in CIDEr-D: against the dev split it would be 0.
    assert all(float(row["reward"]) > 0.5 for row in rows if row["reward"])


def test_the_second_phase_goes_on_from_the_best_of_the_first(study):
    make_another_dev_split(study)
    train(study, "first", epochs=6)
    assert load_captioner(study / "first").facts["best_epoch"] < 6
    train(study, "both", epochs=6, self_critical_epochs=1, self_critical_learning_rate=1e-9)
    first, both = (load_captioner(study / name).parameters for name in ("first", "both"))
    for name, best in first.items():
        np.testing.assert_allclose(both[name], best, atol=1e-6, err_msg=name)


def test_the_second_phase_keeps_what_its_last_epoch_gave(study, monkeypatch):
    restart, trainers = TorchTrainer.restart, []

    def noted_restart(trainer, parameters):
        trainers.append(trainer)
        restart(trainer, parameters)

    monkeypatch.setattr(TorchTrainer, "restart", noted_restart)
    train(study, "model", self_critical_epochs=2)
    saved = load_captioner(study / "model").parameters
    (trainer,) = trainers
    # The scale of the features goes into the weights that they meet.
    for name in saved.keys() - {"W_proj", "W_query", "W_context"}:
        np.testing.assert_array_equal(saved[name], trainer.parameters()[name], err_msg=name)


def test_each_epoch_has_an_order_of_its_own_and_the_schedule_as_many_steps(study, monkeypatch):
    """The 40 images are six batches of six, and four are left."""
    reward, seen = Critic.__call__, []

    def noted_reward(critic, images, captions):
        seen.append(images[::SAMPLES].tolist())
        return reward(critic, images, captions)

    monkeypatch.setattr(Critic, "__call__", noted_reward)
    rows = train(study, "model", batch_size=30, self_critical_epochs=2)
    assert [len(images) for images in seen].count(6) == 12
    for epoch in (seen[:7], seen[7:]):
        assert sorted(itertools.chain(*epoch)) == list(range(40))
    assert seen[:7] != seen[7:]
    rates = [float(row["learning_rate"]) for row in rows if row["reward"]]
    pace = Recipe(learning_rate=0.02)
    assert rates == pytest.approx([learning_rate(pace, step, 14) for step in range(14)])


def test_a_restart_forgets_what_came_before():
    features = np.random.default_rng(0).normal(size=(3, FEATURE_DIM)).astype(np.float32)
    captions = np.array([[1, 4, 5, END], [1, 6, END, 0], [1, 7, 4, END]])
    trainer, fresh = made_trainer(), made_trainer()
    begin = fresh.parameters()
    for _ in range(3):
        trainer.step(features, captions, 0.1)
    for one in (trainer, fresh):
        one.restart(begin)
        one.step(features[::-1].copy(), captions, 0.1)
    for name, value in fresh.parameters().items():
        np.testing.assert_array_equal(trainer.parameters()[name], value, err_msg=name)


def test_a_step_is_on_one_view_of_each_photo_and_all_that_people_say_of_it(study, steps):
    train(study, "model", self_critical_epochs=1, region_dropout=0.5)
    assert len(steps) == 10
    for views, captions, said_views, said in steps:
        assert captions.shape == (4 * SAMPLES, 5)
        assert views.shape == said_views.shape == (4 * 5, 2 * FEATURE_DIM)
        by_photo = views.reshape(4, SAMPLES, -1)
        assert (by_photo == by_photo[:, :1]).all()
        np.testing.assert_array_equal(said_views[::5], by_photo[:, 0])
        shown = said_views.reshape(20, 2, FEATURE_DIM).sum(axis=1).argmax(axis=1)
        np.testing.assert_array_equal(said[:, 1], 4 + shown)
    assert len({views.tobytes() for views, *_ in steps}) == 10


def test_patience_ends_the_first_phase_alone(study):
    rows = train(study, "model", epochs=60, patience=1, self_critical_epochs=2)
    last = int(rows[-1]["epoch"])
    assert last < 60
    assert [bool(row["reward"]) for row in rows] == [int(row["epoch"]) > last - 2 for row in rows]


def test_numpy_is_not_self_critical():
    with pytest.raises(InputError, match="NumPy has no `self_critical_epochs`"):
        Recipe(backend="numpy", self_critical_epochs=1)
