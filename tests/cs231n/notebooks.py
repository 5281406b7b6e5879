"""Cells of two notebooks with the purposes of the course's, on the course's check values."""

SETUP = """
import json, os, time
import matplotlib.pyplot as plt
import numpy as np

from cs231n.gradient_check import eval_numerical_gradient, eval_numerical_gradient_array
from cs231n.rnn_layers import *
from cs231n.captioning_solver import CaptioningSolver
from cs231n.classifiers.rnn import CaptioningRNN
from cs231n.coco_utils import load_coco_data, sample_coco_minibatch, decode_captions
from cs231n.image_utils import image_from_url

%matplotlib inline
plt.rcParams["figure.figsize"] = (4.0, 3.0)
%load_ext autoreload
%autoreload 2
np.random.seed(231)

def close(actual, wanted, tolerance=1e-7):
    error = np.max(np.abs(actual - wanted) / np.maximum(1e-8, np.abs(actual) + np.abs(wanted)))
    print("relative error", error)
    assert error < tolerance

def line(first, last, *shape):
    return np.linspace(first, last, num=np.prod(shape)).reshape(shape)

def check_gradients(function, arrays, gradients, doutput):
    for place, gradient in enumerate(gradients):
        def moved(array):
            return function(*arrays[:place], array, *arrays[place + 1 :])
        close(eval_numerical_gradient_array(moved, arrays[place], doutput), gradient, 1e-5)
"""

DATA = """
data = load_coco_data(pca_features=True)
for key, value in data.items():
    if type(value) == np.ndarray:
        print(key, value.shape, value.dtype)
    else:
        print(key, len(value))
"""

PICTURES = """
captions, features, urls = sample_coco_minibatch(data, batch_size=2)
for caption, url in zip(captions, urls):
    plt.imshow(image_from_url(url))
    plt.title(decode_captions(caption, data["idx_to_word"]))
    plt.axis("off")
    plt.show()
"""

RNN_STEP = """
x, prev_h = line(-0.4, 0.7, 3, 10), line(-0.2, 0.5, 3, 4)
Wx, Wh, b = line(-0.1, 0.9, 10, 4), line(-0.3, 0.7, 4, 4), line(-0.2, 0.4, 4)
next_h, cache = rnn_step_forward(x, prev_h, Wx, Wh, b)
close(next_h, np.array([
    [-0.58172089, -0.50182032, -0.41232771, -0.31410098],
    [0.66854692, 0.79562378, 0.87755553, 0.92795967],
    [0.97934501, 0.99144213, 0.99646691, 0.99854353]]))

dnext_h = np.random.randn(*next_h.shape)
check_gradients(
    lambda *arrays: rnn_step_forward(*arrays)[0],
    (x, prev_h, Wx, Wh, b), rnn_step_backward(dnext_h, cache), dnext_h)
"""

RNN_SEQUENCE = """
x, h0 = line(-0.1, 0.3, 2, 3, 4), line(-0.3, 0.1, 2, 5)
Wx, Wh, b = line(-0.2, 0.4, 4, 5), line(-0.4, 0.1, 5, 5), line(-0.7, 0.1, 5)
h, cache = rnn_forward(x, h0, Wx, Wh, b)
close(h, np.array([
    [[-0.42070749, -0.27279261, -0.11074945, 0.05740409, 0.22236251],
     [-0.39525808, -0.22554661, -0.0409454, 0.14649412, 0.32397316],
     [-0.42305111, -0.24223728, -0.04287027, 0.15997045, 0.35014525]],
    [[-0.55857474, -0.39065825, -0.19198182, 0.02378408, 0.23735671],
     [-0.27150199, -0.07088804, 0.13562939, 0.33099728, 0.50158768],
     [-0.51014825, -0.30524429, -0.06755202, 0.17806392, 0.40333043]]]))
dh = np.random.randn(*h.shape)
check_gradients(
    lambda *arrays: rnn_forward(*arrays)[0], (x, h0, Wx, Wh, b), rnn_backward(dh, cache), dh)
"""

WORDS_AND_SCORES = """
x, W = np.array([[0, 3, 1, 2], [2, 1, 0, 3]]), line(0, 1, 5, 3)
out, cache = word_embedding_forward(x, W)
assert (out == W[x]).all()
dout = np.random.randn(*out.shape)
check_gradients(
    lambda W: word_embedding_forward(x, W)[0], (W,), [word_embedding_backward(dout, cache)], dout)

arrays = np.random.randn(2, 3, 4), np.random.randn(4, 5), np.random.randn(5)
out, cache = temporal_affine_forward(*arrays)
dout = np.random.randn(*out.shape)
check_gradients(
    lambda *arrays: temporal_affine_forward(*arrays)[0],
    arrays, temporal_affine_backward(dout, cache), dout)
"""

LOSS = """
from cs231n.rnn_layers import temporal_softmax_loss

def loss_of_small_scores(N, T, V, share):
    x, y = 0.001 * np.random.randn(N, T, V), np.random.randint(V, size=(N, T))
    return temporal_softmax_loss(x, y, np.random.rand(N, T) <= share)[0]

assert abs(loss_of_small_scores(100, 1, 10, 1) - 2.3) < 0.05
assert abs(loss_of_small_scores(100, 10, 10, 1) - 23) < 0.5
assert abs(loss_of_small_scores(5000, 10, 10, 0.1) - 2.3) < 0.1

x, y = np.random.randn(7, 8, 9), np.random.randint(9, size=(7, 8))
mask = np.random.rand(7, 8) > 0.5
loss, dx = temporal_softmax_loss(x, y, mask, verbose=False)
numeric = eval_numerical_gradient(
    lambda x: temporal_softmax_loss(x, y, mask)[0], x, verbose=False)
close(numeric, dx, 1e-6)
"""

MODEL = """
words = {{"<NULL>": 0, "cat": 2, "dog": 3}}
model = CaptioningRNN(words, 20, 30, 40, cell_type="{cell}", dtype=np.float64)
for name, array in model.params.items():
    model.params[name] = line(-1.4, 1.3, *array.shape)
loss, grads = model.loss(line({first}, {last}, 10, 20), (np.arange(130) % 3).reshape(10, 13))
print("loss", loss)
assert abs(loss - {wanted}) < 1e-10
"""

MODEL_GRADIENTS = """
model = CaptioningRNN(words, 4, 5, 6, cell_type="rnn", dtype=np.float64)
features, captions = np.random.randn(2, 4), np.random.randint(3, size=(2, 3))
loss, grads = model.loss(features, captions)
for name in sorted(grads):
    numeric = eval_numerical_gradient(
        lambda _: model.loss(features, captions)[0], model.params[name], verbose=False, h=1e-6)
    close(numeric, grads[name], 1e-4)
"""

OVERFIT = """
np.random.seed(231)
small_data = load_coco_data(max_train=50)
# Of two captions of one scene, none could be learnt by heart.
_, different = np.unique(data["train_image_idxs"], return_index=True)
for key in ("train_captions", "train_image_idxs"):
    small_data[key] = data[key][different[:50]]
# Few numbers of random features would drown the others.
deviations = data["train_features"].std(axis=0)
for split in ("train", "val"):
    small_data[split + "_features"] = data[split + "_features"] / deviations

small_model = CaptioningRNN(
    cell_type="{cell}",
    word_to_idx=data["word_to_idx"],
    input_dim=data["train_features"].shape[1],
    hidden_dim=512,
    wordvec_dim=256,
    dtype=np.float32,
)
small_solver = CaptioningSolver(
    small_model,
    small_data,
    update_rule="adam",
    num_epochs=50,
    batch_size=25,
    optim_config={{"learning_rate": 5e-3}},
    lr_decay={decay},
    verbose=True,
    print_every=10,
)
small_solver.train()
plt.plot(small_solver.loss_history)
plt.show()
print("Final loss: ", small_solver.loss_history[-1])
assert small_solver.loss_history[-1] < {bound}
"""

SAMPLE = """
for split in ["train", "val"]:
    captions, features, urls = sample_coco_minibatch(small_data, split=split, batch_size=2)
    captions = decode_captions(captions, data["idx_to_word"])
    written = decode_captions(small_model.sample(features), data["idx_to_word"])
    if split == "train":
        assert ["<START> " + caption for caption in written] == captions
    for caption, own, url in zip(captions, written, urls):
        plt.imshow(image_from_url(url))
        plt.title("%s\\n%s\\n%s" % (split, own, caption))
        plt.axis("off")
        plt.show()
"""

LSTM_STEP = """
x, prev_h, prev_c = line(-0.4, 1.2, 3, 4), line(-0.3, 0.7, 3, 5), line(-0.4, 0.9, 3, 5)
Wx, Wh, b = line(-2.1, 1.3, 4, 20), line(-0.7, 2.2, 5, 20), line(0.3, 0.7, 20)
arrays = x, prev_h, prev_c, Wx, Wh, b
next_h, next_c, cache = lstm_step_forward(*arrays)
close(next_h, np.array([
    [0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904],
    [0.49223563, 0.55611431, 0.61507696, 0.66844003, 0.7159181],
    [0.56735664, 0.66310127, 0.74419266, 0.80889665, 0.858299]]))
close(next_c, np.array([
    [0.32986176, 0.39145139, 0.451556, 0.51014116, 0.56717407],
    [0.66382255, 0.76674007, 0.87195994, 0.97902709, 1.08751345],
    [0.74192008, 0.90592151, 1.07717006, 1.25120233, 1.42395676]]))

dnext = np.random.randn(2, *next_h.shape)
check_gradients(
    lambda *arrays: np.stack(lstm_step_forward(*arrays)[:2]),
    arrays, lstm_step_backward(*dnext, cache), dnext)
"""

LSTM_SEQUENCE = """
from cs231n.rnn_layers import lstm_backward, lstm_forward

x, h0 = line(-0.4, 0.6, 2, 3, 5), line(-0.4, 0.8, 2, 4)
Wx, Wh, b = line(-0.2, 0.9, 5, 16), line(-0.3, 0.6, 4, 16), line(0.2, 0.7, 16)
h, cache = lstm_forward(x, h0, Wx, Wh, b)
close(h, np.array([
    [[0.01764008, 0.01823233, 0.01882671, 0.0194232],
     [0.11287491, 0.12146228, 0.13018446, 0.13902939],
     [0.31358768, 0.33338627, 0.35304453, 0.37250975]],
    [[0.45767879, 0.4761092, 0.4936887, 0.51041945],
     [0.6704845, 0.69350089, 0.71486014, 0.7346449],
     [0.81733511, 0.83677871, 0.85403753, 0.86935314]]]))
dh = np.random.randn(*h.shape)
check_gradients(
    lambda *arrays: lstm_forward(*arrays)[0], (x, h0, Wx, Wh, b), lstm_backward(dh, cache), dh)
"""

BLEU = """
import nltk

captions, features, _ = sample_coco_minibatch(small_data, batch_size=20)
scores = [
    nltk.translate.bleu_score.sentence_bleu([caption.split()[1:]], own.split(), weights=[1])
    for caption, own in zip(
        decode_captions(captions, data["idx_to_word"]),
        decode_captions(small_model.sample(features), data["idx_to_word"]))
]
print("BLEU", np.mean(scores))
assert np.mean(scores) > 0.95
"""

NOTEBOOKS = {
    "RNN_Captioning": [
        SETUP,
        DATA,
        PICTURES,
        RNN_STEP,
        RNN_SEQUENCE,
        WORDS_AND_SCORES,
        LOSS,
        MODEL.format(cell="rnn", first=-1.5, last=0.3, wanted=9.83235591003),
        MODEL_GRADIENTS,
        OVERFIT.format(cell="rnn", decay=0.95, bound=0.2),
        SAMPLE,
    ],
    "LSTM_Captioning": [
        SETUP,
        DATA,
        LSTM_STEP,
        LSTM_SEQUENCE,
        MODEL.format(cell="lstm", first=-0.5, last=1.7, wanted=9.82445935443),
        OVERFIT.format(cell="lstm", decay=0.995, bound=0.1),
        SAMPLE,
        BLEU,
    ],
}
