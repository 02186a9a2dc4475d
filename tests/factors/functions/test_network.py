"""Networks against torch's own layers, parameter counts against hand and print, and what a mistake in a layer string says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from factorgraph.compile.start import start
from factorgraph.errors import SpecError
from factorgraph.factors.functions._layers import MOST_LAYERS, read
from factorgraph.factors.functions.network import Network
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import loads
from factorgraph.structure import ShapeError

Tensors = dict[str, torch.Tensor]


def parameters(leaf: Network, given: tuple[int, ...], result: tuple[int, ...], seed: int = 0) -> Tensors:
    source = torch.Generator().manual_seed(seed)
    made = {}
    for name, each in leaf.parameters(given, result).items():
        made[name] = torch.randn(each.shape, generator=source, dtype=torch.float64)
        made[name] = made[name].abs() + 0.2 if name.startswith("variance") else made[name]
    return made


def data(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def copied(net: nn.Sequential, with_: Tensors, numbers: dict[int, int]) -> nn.Sequential:
    """Torch's layers with the tensors of ours; ``numbers``: theirs -> ours, from 1."""
    for place, number in numbers.items():
        theirs = net[place]
        names = {"weight": f"matrix_{number}", "bias": f"bias_{number}"}
        if isinstance(theirs, nn.BatchNorm1d | nn.BatchNorm2d):
            names = {"weight": "gain", "bias": "shift", "running_mean": "mean", "running_var": "variance"}
            names = {key: f"{name}_{number}" for key, name in names.items()}
        for key, name in names.items():
            if name in with_:
                value = with_[name].transpose(0, 1) if isinstance(theirs, nn.ConvTranspose2d) and key == "weight" else with_[name]
                getattr(theirs, key).data = value.reshape(getattr(theirs, key).shape).clone()
    return net


def images() -> tuple[Network, nn.Sequential, dict[int, int]]:
    leaf = Network(layers="(6)3c-2p-(5)5c2-bn-2u-(4)3d2-2a-bn-7fc", activation="tanh", last="sigmoid")
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 5, 5, 2, 2, bias=False),
        nn.BatchNorm2d(5),
        nn.Tanh(),
        nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(5, 4, 3, 2, 1, output_padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(4 * 6 * 4, 7),
        nn.Sigmoid(),
    ).double()
    return leaf, net, {0: 1, 3: 3, 4: 4, 7: 6, 10: 8, 12: 9}


def units() -> tuple[Network, nn.Sequential, dict[int, int]]:
    leaf = Network(layers="11fc-bn-5fc", last="relu")
    net = nn.Sequential(nn.Linear(9, 11, bias=False), nn.BatchNorm1d(11), nn.ReLU(), nn.Linear(11, 5), nn.ReLU()).double()
    return leaf, net, {0: 1, 1: 2, 3: 3}


@pytest.mark.parametrize(("made", "given"), [(images, (2, 12, 8)), (units, (9,))])
@pytest.mark.parametrize("learning", [False, True])
def test_it_computes_what_torchs_own_layers_compute(made: Any, given: tuple[int, ...], learning: bool) -> None:
    leaf, net, numbers = made()
    result = leaf.output_shape(given, None)
    with_ = parameters(leaf, given, result)
    net = copied(net, with_, numbers).train(learning)
    x = data(6, *given)
    expected = net(x)
    y, kept = leaf.learn(x, with_, torch.Generator()) if learning else (leaf.forward(x, with_), {})
    torch.testing.assert_close(y, expected)
    theirs = {number: net[place] for place, number in numbers.items() if hasattr(net[place], "running_mean")}
    assert kept.keys() == ({f"{name}_{n}" for n in theirs for name in ("mean", "variance")} if learning else set())
    for number, each in theirs.items():
        for name, own in ((f"mean_{number}", each.running_mean), (f"variance_{number}", each.running_var)):
            torch.testing.assert_close(kept.get(name, with_[name]), own)


@pytest.mark.parametrize("padding", ["same", "valid", "full"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (4, 1), (2, 1), (5, 2), (4, 2), (1, 1), (3, 3), (2, 3)])
def test_a_transposed_convolution_is_the_adjoint_of_the_convolution(padding: str, kernel: int, stride: int) -> None:
    steps = f"{stride}" if stride > 1 else ""
    forth = Network(layers=f"(3){kernel}c{steps}", padding=padding)
    back = Network(layers=f"(2){kernel}d{steps}", padding=padding)
    rest = {"same": 0, "valid": kernel - stride, "full": 2 - stride - kernel}[padding]
    given, result = (2, 4 * stride + rest, 6 * stride + rest), (3, 4, 6)
    assert forth.output_shape(given, None) == result and back.output_shape(result, None) == given
    matrix = data(3, 2, kernel, kernel)
    x, y = data(4, *given, seed=2), data(4, *result, seed=3)
    there = forth.forward(x, {"matrix_1": matrix})
    here = back.forward(y, {"matrix_1": matrix.transpose(0, 1)})
    assert there.shape == (4, *result) and here.shape == (4, *given)
    torch.testing.assert_close((there * y).sum(), (x * here).sum())


@pytest.mark.parametrize(("padding", "pads"), [("valid", 0), ("full", 4), ("same", 2)])
def test_paddings_are_those_of_torch(padding: str, pads: int) -> None:
    leaf, x, matrix = Network(layers="(3)5c", padding=padding), data(2, 2, 9, 7), data(3, 2, 5, 5)
    torch.testing.assert_close(leaf.forward(x, {"matrix_1": matrix}), nn.functional.conv2d(x, matrix, padding=pads))


def test_parameter_counts_that_are_published_or_made_by_hand() -> None:
    stl = "(64)3c-4p-(64)3c-3p-(128)3c-(128)3c-2p-(256)3c-(256)3c-(256)3c-(512)3c-(512)3c-(512)3c-2p-10fc"
    cifar = "(128)3c-(256)3c-2p-(256)3c-(512)3c-2p-(512)3c-(512)3c-2p-(512)3c-(512)3c-2p-128fc-10fc"
    assert sum(count for _, count in Network(layers=stl).counts((3, 96, 96), (10,))) == 7_655_754
    assert sum(count for _, count in Network(layers=cifar).counts((3, 32, 32), (10,))) == 11_771_786
    leaf = Network(layers="(4)3c-2p-(6)5d2-bn-0.5drop-(2)3x2fc-fc")
    by_hand = [
        ("(4)3c", 4 * 3 * 9 + 4),
        ("2p", 0),
        ("(6)5d2", 6 * 4 * 25),  # without a bias: bn shifts
        ("bn", 6 + 6),  # running means are no parameters
        ("0.5drop", 0),
        ("(2)3x2fc", 2 * 3 * 2 * (6 * 8 * 8 + 1)),
        ("fc", 10 * (12 + 1)),
    ]
    assert leaf.counts((3, 8, 8), (2, 5)) == by_hand
    assert by_hand[-1][1] == 130


@pytest.mark.parametrize(
    ("layers", "options", "given", "wanted", "result"),
    [
        ("(64)3c-4p-(64)3c-3p-10fc", {}, (1, 96, 96), None, (10,)),
        ("(64)3c-fc", {}, (3, 8, 8), None, None),
        ("(64)3c-fc", {}, (3, 8, 8), (), None),
        ("(64)3c-fc", {}, (3, 8, 8), (2, 5), (2, 5)),
        ("(64)3c-3c", {}, (3, 8, 8), (7, 8, 8), (7, 8, 8)),
        ("(64)3c-3c", {}, (8, 8), (8, 8), (8, 8)),  # an image without colours is one map
        ("(64)3c-3c", {}, (8, 8), None, None),
        ("5d2-2p", {}, (3, 4, 4), (7, 4, 4), (7, 4, 4)),
        ("(256)7x7fc-bn-(128)5d2-bn-5d2", {"width": 0.125}, (32,), (1, 28, 28), (1, 28, 28)),
        ("(16)9c-(32)9c-4096fc", {"padding": "valid", "width": 0.125}, (1, 32, 32), None, (512,)),
        ("(16)9c-9c", {"padding": "full"}, (4, 16, 16), (1, 32, 32), (1, 32, 32)),
        ("4x4fc", {}, (9,), (2, 4, 4), (2, 4, 4)),
        ("0.5drop", {}, (9, 2), None, (9, 2)),
        ("2p-2u", {}, (2, 4, 6), None, (2, 4, 6)),
    ],
)
def test_sizes(layers: str, options: dict[str, Any], given: Any, wanted: Any, result: Any) -> None:
    assert Network(layers=layers, **options).output_shape(given, wanted) == result


def test_width_multiplies_every_number_that_is_given_and_no_kernel() -> None:
    shapes = Network(layers="(64)5c2-2p-(3)7x5fc-110fc", width=1 / 8).shapes((1, 16, 16), None)
    assert shapes == [(1, 16, 16), (8, 8, 8), (8, 4, 4), (1, 7, 5), (14,)]  # 3/8 of a map is one


@pytest.mark.parametrize(
    ("layers", "options", "given", "wanted", "words", "marked"),
    [
        ("(4)3c-2p-2p", {}, (1, 6, 6), None, ["layer 3, 2p, to [4, 3, 3]", "side of 3", "sides that fit: 2, 4"], "2p"),
        ("(4)5c2", {"padding": "valid"}, (1, 24, 24), None, ["5x5 kernel in steps of 2", "sides that fit: 23, 25"], "(4)5c2"),
        ("(4)9c", {"padding": "valid"}, (1, 5, 5), None, ["side of 5", "sides that fit: 9, 10"], "(4)9c"),
        ("(4)5c2", {}, (1, 7, 8), None, ["side of 7", "sides that fit: 6, 8"], "(4)5c2"),
        ("10fc-3c", {}, (1, 8, 8), (1, 8, 8), ["layer 2, 3c, to [10]", "(64)8x8fc"], "3c"),
        ("3c", {}, (1, 8, 8), (64,), ["as many maps as what it is compared with", "[64]"], "3c"),
        ("2p-fc", {}, (1, 2, 8, 8), (5,), ["layer 1, 2p"], "2p"),
    ],
)
def test_sizes_that_do_not_fit_are_told_at_their_layer(
    layers: str, options: dict[str, Any], given: Any, wanted: Any, words: list[str], marked: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        Network(layers=layers, **options).output_shape(given, wanted)
    assert all(word in str(caught.value) for word in words), caught.value
    assert caught.value.path == ("layers",)
    start, end = caught.value.span or (0, 0)
    assert layers[start:end] == marked


SPEC = """factorgraph: 1
indices: {k: 2}
variables:
  X: {kind: observed, shape: [3, 8, 8], per: k}
  T: {kind: observed, shape: [5]}
functions:
  encoder: %s
  decoder: %s
factors:
  fit: {type: squared_distance, between: [T, encoder(X)]}
  back: {type: squared_distance, between: [X, decoder(encoder(X))]}
"""


@pytest.mark.parametrize(
    ("encoder", "decoder", "code", "marked", "words"),
    [
        ("{type: network, layers: (64)3c-4-10fc}", "linear", "FG335", "4", ["write 4fc"]),
        ("{type: network, layers: (64)3c-relu-10fc}", "linear", "FG335", "relu", ["activation, and last"]),
        ("{type: network, layers: '(64)3c--10fc'}", "linear", "FG335", "-", ["missing"]),
        ("{type: network, layers: 3c-10fc}", "linear", "FG335", "3c", ["how many maps", "(64)3c"]),
        ("{type: network, layers: (64)3c-1.5drop-fc}", "linear", "FG335", "1.5drop", ["below 1"]),
        ("{type: network, layers: (0)3c-fc}", "linear", "FG335", "(0)3c", ["at least 1"]),
        ("{type: network, layers: 7}", "linear", "FG335", "7", ["as a text"]),
        ("{type: network, per: k, layers: [(4)3c-fc, (4)3c-3p-fc]}", "linear", "FG321", "3p", ["side of 8", "k = 1"]),
        ("{type: network, per: k, layers: [(4)3c-fc]}", "linear", "FG339", "[(4)3c-fc]", ["before k = 1"]),
        ("{type: network, layers: [(4)3c-fc]}", "linear", "FG339", "[(4)3c-fc]", ["per"]),
        ("{type: network, layers: fc, activation: shrink}", "linear", "FG336", "shrink", ["learns"]),
        ("{type: network, layers: 6fc-fc, activation: standardise}", "linear", "FG336", "standardise", ["each row by itself"]),
        ("{type: network, layers: fc, last: standardise}", "linear", "FG336", "standardise", ["{type: standardise}"]),
        ("{type: linear, activation: network}", "linear", "FG336", "network", ["options of its own"]),
        ("{type: linear, activation: pool}", "linear", "FG336", "pool", ["options of its own"]),
        ("{type: pool, window: []}", "linear", "FG321", "[", ["list of sizes is empty"]),
        ("{type: network, layers: fc, last: rely}", "linear", "FG204", "rely", ["relu"]),
        ("{type: network, layers: fc, mirror: decoder}", "linear", "FG210", "encoder", ["one of the two"]),
        ("{type: network, layers: fc}", "{type: network, mirror: encodr}", "FG209", "encodr", ["encoder"]),
        ("{type: network, layers: fc}", "{type: network, mirror: decoder}", "FG337", "decoder", ["layers of its own"]),
        ("{type: network, layers: fc}", "{type: network, mirror: encoder, width: 2}", "FG210", "decoder", ["leave them out"]),
        ("{type: network, per: k, layers: fc}", "{type: network, mirror: encoder}", "FG337", "{", ["per: k"]),
    ],
)
def test_mistakes_point_into_the_string(encoder: str, decoder: str, code: str, marked: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        resolve(loads(SPEC % (encoder, decoder)))
    (found,) = caught.value.issues
    assert found.code == code and found.place is not None
    assert found.place.text[found.place.column - 1 :].startswith(marked), found.place
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_list_of_strings_gives_each_slot_its_own() -> None:
    graph = resolve(
        loads(SPEC % ("{type: network, per: k, layers: [(4)3c-fc, 7fc-fc]}", "{type: network, per: k, mirror: encoder}"))
    )
    assert {name: node.parameters.keys() for name, node in graph.functions.items()} == {
        name: {"matrix_1", "bias_1", "matrix_2", "bias_2"} for name in ("encoder[0]", "encoder[1]", "decoder[0]", "decoder[1]")
    }
    assert graph.functions["encoder[1]"].parameters["matrix_1"].shape == (7, 3 * 8 * 8)
    assert graph.functions["decoder[1]"].parameters["matrix_1"].shape == (7, 5)
    assert graph.functions["decoder[0]"].parameters["matrix_2"].shape == (3, 4, 3, 3)


def test_no_activation_of_the_graph_stands_behind_a_network() -> None:
    graph = resolve(loads(SPEC % ("{type: network, layers: 7fc-fc, activation: tanh, last: tanh}", "linear")))
    assert set(graph.functions) == {"encoder", "decoder"}


def test_every_default_written_out_reads_back() -> None:
    encoder = "{type: network, per: k, layers: [(4)3c-fc, 7fc-fc]}"
    spec = loads(SPEC % (encoder, "{type: network, per: k, mirror: encoder}"))
    again = loads(spec.full())
    assert resolve(again).functions.keys() == resolve(spec).functions.keys()
    assert again.functions == spec.functions


def test_a_mirror_leads_back_through_the_same_sizes() -> None:
    forth = Network(layers="(4)5c2-bn-2p-(6)3c-0.5drop-8fc", padding="same", width=0.5)
    back = Network(mirror="encoder", last="tanh").made_from(forth)
    given = (3, 12, 20)
    there = forth.shapes(given, None)
    assert there is not None and back.shapes((4,), given) == there[::-1]
    assert back.output_shape((4,), None) is None
    assert [text for text, _ in back.counts((4,), given)] == ["8fc", "0.5drop", "(6)3c", "2p", "bn", "(4)5c2"]
    with_ = parameters(back, (4,), given)
    assert {name: tuple(each.shape) for name, each in with_.items() if name.startswith("matrix")} == {
        "matrix_1": (3, 3, 5, 4),
        "matrix_3": (2, 3, 3, 3),
        "matrix_6": (3, 2, 5, 5),
    }
    y = back.forward(data(4, 4), with_)
    assert y.shape == (4, *given) and y.abs().max() <= 1
    with pytest.raises(ShapeError, match=r"leads from \[3, 12, 20\] to \[4\], not to \[5\]"):
        back.output_shape((5,), given)
    with pytest.raises(ShapeError, match="mirrors encoder, which cannot apply layer 1"):
        back.output_shape((4,), (3, 13, 20))


def test_a_linear_mirror_with_the_same_matrices_is_the_adjoint() -> None:
    options = {"activation": "identity"}
    forth = Network(layers="(4)4c2-(5)3c-6fc", **options)
    back = Network(mirror="encoder", **options).made_from(forth)
    given = (3, 4, 6)
    there = {name: each for name, each in parameters(forth, given, (6,)).items() if name.startswith("matrix")}
    here = {
        "matrix_1": there["matrix_3"].T.reshape(5, 2, 3, 6),
        "matrix_2": there["matrix_2"].transpose(0, 1),
        "matrix_3": there["matrix_1"].transpose(0, 1),
    }
    x, y = data(4, *given), data(4, 6, seed=2)
    torch.testing.assert_close((forth.forward(x, there) * y).sum(), (x * back.forward(y, here)).sum())


def test_dropping_silences_the_share_and_keeps_the_mean() -> None:
    leaf, x = Network(layers="0.3drop"), torch.ones(200, 50)
    y, _ = leaf.learn(x, {}, torch.Generator().manual_seed(2))
    assert set(y.flatten().tolist()) == {0.0, torch.tensor(1 / 0.7).item()}
    assert abs((y == 0).float().mean() - 0.3) < 0.02
    assert torch.equal(leaf.forward(x, {}), x)
    other, _ = leaf.learn(x, {}, torch.Generator().manual_seed(3))
    assert not torch.equal(other, y)


def test_one_sample_has_no_batch_statistics_but_many_pixels_have() -> None:
    flat, wide = Network(layers="4fc-bn"), Network(layers="(4)3c-bn")
    with pytest.raises(ShapeError, match=r"layer 2.*one sample"):
        flat.learn(data(1, 6), parameters(flat, (6,), (4,)), torch.Generator())
    y, kept = wide.learn(data(1, 2, 3, 3), parameters(wide, (2, 3, 3), (4, 3, 3)), torch.Generator())
    assert y.isfinite().all() and kept["variance_2"].isfinite().all()
    assert flat.forward(data(1, 6), parameters(flat, (6,), (4,))).isfinite().all()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "identity"])
def test_a_signal_keeps_its_size_through_many_layers(activation: str) -> None:
    leaf = Network(layers="-".join(["200fc"] * 8), activation=activation, last=activation)
    source = torch.Generator().manual_seed(4)
    declared = leaf.parameters((200,), (200,)).items()
    with_ = {name: each.scale * torch.randn(each.shape, generator=source) for name, each in declared}
    size = leaf.forward(torch.randn(50, 200, generator=source), with_).square().mean()
    assert (0.05 if activation == "tanh" else 0.3) < size < 3  # tanh shrinks whatever comes in


def test_a_start_and_a_rate_that_are_given_reach_every_matrix() -> None:
    declared = Network(layers="(2)3c-bn-fc", init=0.02, rate=0.5).parameters((1, 4, 4), (3,))
    assert {each.scale for name, each in declared.items() if name.startswith("matrix")} == {0.02}
    assert {each.rate for each in declared.values() if not each.kept} == {0.5}
    assert {name for name, each in declared.items() if each.kept} == {"mean_2", "variance_2"}
    assert "bias_1" not in declared and "bias_3" in declared


def test_units_that_start_spread_bend_at_different_places() -> None:
    leaf = Network(layers="(4)3c-(6)4d2-bn-5fc", init="spread", rate=0.5)
    declared = leaf.parameters((2, 4, 4), (5,))
    reads = {"1": 2 * 9, "2": 4 * 16 / 4, "4": 6 * 8 * 8}  # numbers that a unit of a layer reads
    for name in ("matrix_1", "bias_1", "matrix_2", "matrix_4", "bias_4"):
        assert (declared[name].start, declared[name].rate) == ("uniform", 0.5)
        assert declared[name].scale == pytest.approx(reads[name[-1]] ** -0.5)
    assert "bias_2" not in declared


def test_a_start_that_is_spread_is_even_and_from_the_seed() -> None:
    text = "factorgraph: 1\nvariables: {Y: {kind: observed, shape: [50]}}\nfactors: {low: {type: value, of: net(Y)}}\n"
    text += "functions: {net: {type: network, layers: 400fc-fc, init: spread}}\n"
    parameters = start(resolve(loads(text)), None)["functions.net"]
    matrix, edge = parameters["matrix_1"], 50**-0.5
    assert matrix.abs().max() <= edge and abs(matrix.std() / (edge / 3**0.5) - 1) < 0.02 and abs(matrix.mean()) < 0.02 * edge
    assert 0.9 * edge < parameters["bias_1"].abs().max() <= edge and len(parameters["bias_1"].unique()) > 390


def test_strings_of_the_slides_with_spaces_and_line_ends() -> None:
    assert [each.text for each in read("(64)3c - 4p-\n  10fc")] == ["(64)3c", "4p", "10fc"]
    with pytest.raises(ValidationError):
        Network(layers="-".join(["2p"] * (MOST_LAYERS + 1)))


def test_pieces_of_a_string() -> None:
    found = read("(64)5c2-(3)4d3-4p-2a-3u-10fc-(8)6x7fc-bn-0.25drop-fc")
    assert [(each.kind, each.number, each.size, each.stride, each.grid, each.share) for each in found] == [
        ("c", 64, 5, 2, None, 0),
        ("d", 3, 4, 3, None, 0),
        ("p", None, 4, 4, None, 0),
        ("a", None, 2, 2, None, 0),
        ("u", None, 3, 3, None, 0),
        ("fc", 10, 1, 1, None, 0),
        ("fc", 8, 1, 1, (6, 7), 0),
        ("bn", None, 1, 1, None, 0),
        ("drop", None, 1, 1, None, 0.25),
        ("fc", None, 1, 1, None, 0),
    ]


def test_an_energy_has_one_unit_where_nothing_else_sizes_it() -> None:
    text = "factorgraph: 1\nvariables: {Y: {kind: observed, shape: [2]}}\n"
    text += "functions: {critic: {type: network, layers: 8fc-fc}}\nfactors: "
    graph = resolve(loads(text + "{realism: {type: value, of: critic(2 * Y)}}"))
    assert graph.functions["critic"].result == (1,)
    graph = resolve(loads(text + "{realism: {type: value, of: critic(Y)}, fit: {type: l1, of: critic(Y) - 0.5}}"))
    assert graph.functions["critic"].result == (1,)
    with pytest.raises(SpecError, match=r"functions\.critic\.layers"):
        resolve(loads(text + "{size: {type: l1, of: critic(Y)}}"))
