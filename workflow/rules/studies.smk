# What the rules of vision and generative ask: options of commands, and where files lie.


def network_of_vision(wildcards, input):
    """Return the options that say which network is looked into."""
    if TRAINED_HERE:
        return options(network=str(Path(str(input.weights)).parent))
    return options(network=VISION["network"], weights=str(input.weights) or "random")


def other_of_vision(wildcards, input):
    """Return the options that say which other network looks at pictures."""
    if not VISION["other"]:
        return []
    return options(other=VISION["other"], other_weights=str(input.other) or "random")


def options_of_method(settings):
    """Return the settings of a method of vision as words of its command."""
    given = {key: value for key, value in settings.items() if key != "picture"}
    return options(
        **{
            key: [str(item) for item in (value if isinstance(value, list) else [value])]
            for key, value in given.items()
        }
    )


def results_of_vision():
    """Return the scores of each method of the study of vision."""
    drawn = TRAINED_HERE or not (VISION["photos"] and VISION["examples"])
    made = ["classifier"] if drawn else []
    made += ["saliency", "fooling", "classes", "inversion", "dreams"]
    made += [f"style/{style}" for style in STYLES]
    return expand("results/{vision}/{made}/scores.json", vision=VISION["study"], made=made)


def files_of_vision():
    """Return all files that the study of vision is made from."""
    pictures = [painting["picture"] for painting in STYLES.values()]
    return [*NETWORK, *OTHER, *PHOTOS, *EXAMPLES, *pictures]


def named_pictures(folder, prefix=""):
    """Return the four files of pictures and labels of both splits by what their options are called."""
    return {
        f"{split}_{kind}": f"{folder}/{prefix}{name}" for (split, kind), name in DIGIT_NAMES.items()
    }


def cores_of_a_gan(wildcards):
    """Share the cores among the GANs: on few cores, two side by side are done before one by one."""
    gans = len(GENERATIVE["train"]) * len(GENERATIVE["seeds"])
    return max(1, all_cores(wildcards) // gans)


def pictures_of_gans():
    """Return the four files of the pictures that GANs learn from."""
    match GENERATIVE["dataset"]:
        case "digits":
            return named_pictures(f"resources/digits/{DIGITS}")
        case "mnist":
            return named_pictures("resources/mnist")
        case "fashion_mnist":
            return named_pictures("resources/fashion_mnist", prefix="fashion-")
        case "own":
            return named_pictures(f"results/{GENERATIVE['study']}/pictures")


def gans(pattern):
    """Return a path for each GAN and seed of the generative study."""
    return expand(
        pattern,
        generative=GENERATIVE["study"],
        gan=GENERATIVE["train"],
        seed=GENERATIVE["seeds"],
    )
