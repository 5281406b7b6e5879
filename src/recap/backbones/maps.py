"""The maps that each backbone gives, by name, and how many channels they have."""

# Of VGG-16: number, convolutions and their channels.
BLOCKS = [(1, 2, 64), (2, 2, 128), (3, 3, 256), (4, 3, 512), (5, 3, 512)]

VGG16 = {
    **{
        f"conv{block}_{number}": channels
        for block, many, channels in BLOCKS
        for number in range(1, many + 1)
    },
    "fc6_before_relu": 4096,
    "fc6": 4096,
    "fc7_before_relu": 4096,
    "fc7": 4096,
    "fc8": 1000,
}

FIRES = {
    "fire2": 128,
    "fire3": 128,
    "fire4": 256,
    "fire5": 256,
    "fire6": 384,
    "fire7": 384,
    "fire8": 512,
    "fire9": 512,
}

# By backbone, in the order in which they are computed.
MAPS = {
    "vgg16": VGG16,
    "squeezenet1_0": {"conv1": 96, **FIRES, "conv10": 1000},
    "squeezenet1_1": {"conv1": 64, **FIRES, "conv10": 1000},
}
