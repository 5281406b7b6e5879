from recap.report.captioning.names import short_names

SWEEP = [
    f"lstm-hidden_dim={size}-learning_rate={rate}" for size in (64, 128) for rate in (0.01, 1e-05)
]


def test_a_sweep_is_called_by_what_tells_its_models_apart():
    called = short_names(["rnn", *SWEEP, f"{SWEEP[0]} ensemble"])
    assert list(called.values()) == [
        "rnn",
        *("lstm 64/0.01", "lstm 64/1e-05", "lstm 128/0.01", "lstm 128/1e-05"),
        "lstm 64/0.01 ensemble",
    ]


def test_what_all_have_is_left_out_and_switches_keep_their_names():
    models = [f"lstm-hidden_dim=512-attention={given}" for given in ("true", "false")]
    assert list(short_names(models).values()) == ["lstm attention=true", "lstm attention=false"]
    (alone,) = short_names(SWEEP[:1]).values()
    assert alone == "lstm"


def test_names_that_are_short_or_would_be_alike_stay():
    short = ["lstm-hidden_dim=64", "lstm-hidden_dim=128"]
    assert short_names(short) == {name: name for name in short}
    alike = ["lstm 64", "lstm-hidden_dim=64-cell=lstm", "lstm-hidden_dim=128-cell=lstm"]
    assert short_names(alike) == {name: name for name in alike}
