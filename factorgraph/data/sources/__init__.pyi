# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.
from typing import Literal

from factorgraph.spec.forms import SourceForm
from factorgraph.spec.handles import Name, Number

class Arrays(SourceForm):
    r"""Samples from an .npy or .npz file of numpy, one row a sample.

    The fields are the arrays of an .npz by name, or ``array`` of an .npy. Where every array has a twin, ``x_train`` and
    ``x_test``, these are the file's own split, and the field is ``x``; else rows are held out by chance. Numbers become float32;
    a whole number per row is a label and stays one. Files that hold Python objects are refused.

    Fields:  the arrays of an .npz by name; array, of an .npy.

    Options:
        file: an .npy or .npz file, below the spec's folder or FACTORGRAPH_DATA
    """

    def __init__(
        self,
        *,
        file: Name,
    ) -> None: ...

class BarsAndStripes(SourceForm):
    r"""Binary pictures in which every row is of one value, or every column: ``2 * 2**side - 2`` patterns, each as likely.

    Each pattern comes as often as any other, or once more: training and held-out rows go through all of them in turn. Without
    ``count`` and ``test`` every pattern is there once, on either side, and the entropy is that of an even choice: 2.639 nats for
    3 x 3, the least mean negative log likelihood that there can be.

    Fields:  image (side, side).
    Source:  MacKay, Information Theory, Inference, and Learning Algorithms, 2003, section 43.1.

    Options:
        side: pixels of a side, at most 16
    """

    def __init__(
        self,
        *,
        side: Number = 3,
    ) -> None: ...

class Cifar10(SourceForm):
    r"""Colour photographs of ten kinds of things, 32 x 32 pixels, from 0 to 1: 50,000 to learn from and 10,000 to test.

    Read is the binary version, packed (cifar-10-binary.tar.gz) or unpacked (cifar-10-batches-bin/), from cifar10/ below a folder
    that the spec may read; the version for Python is a pickle and is never read. A file cifar10*.npz there with x_train, y_train,
    x_test, y_test (rows, 32, 32, 3) does as well, and stands before the others: so a part of the set can be passed on. How many
    pictures it had is kept with the run. The split is the set's own; ``count`` and ``test`` choose rows of each side by chance.

    Fields:  image (3, 32, 32), or as the options say; label (): airplane, automobile, bird, cat,
             deer, dog, frog, horse, ship, truck.
    Units:   parts of the brightest red, green and blue.
    Errors:  FG525 where the files are missing, FG526 where they are damaged.
    Source:  Krizhevsky, Learning multiple layers of features from tiny images, 2009.

    Options:
        size: pixels along a side (none: the set's own)
        colors: 1 for grey, 3 for red, green, blue (none: the set's own)
        folds: learn from one of so many parts of the training pictures: that of the seed
    """

    def __init__(
        self,
        *,
        size: Number | None = None,
        colors: Number | None = None,
        folds: Number = 1,
    ) -> None: ...

class Curve(SourceForm):
    r"""Points on a spiral or a parabola: data on a thin line, around which an energy must rise.

    Spiral, :math:`u` uniform from ``from`` to 1, :math:`t_{max} = 2 \pi\, turns`:

    .. math:: t = t_{max} \sqrt u, \qquad y = \tfrac{t}{t_{max}} (\cos t, \sin t)

    Parabola: :math:`y_1 = 2u - 1,\ y_2 = y_1^2`. ``jitter`` is the deviation of normal noise on both coordinates.

    Fields:  point (2,).

    Options:
        shape: spiral or parabola
        turns: of the spiral
        start: where on the curve to begin, 0 to 1
        jitter: standard deviation of the noise on both coordinates
        box: the background is drawn from -box to box
        gap: the background keeps this distance from the curve
    """

    def __init__(
        self,
        *,
        shape: Literal['spiral', 'parabola'] = 'spiral',
        turns: Number = 2.0,
        start: Number = 0.0,
        jitter: Number = 0.0,
        box: Number = 1.0,
        gap: Number = 0.08,
    ) -> None: ...

class DeadLeaves(SourceForm):
    r"""Square patches of generated scenes: ellipses of any size, direction and grey that hide each other, slightly blurred.

    Half the length r of a leaf has a density as of :math:`r^{-3}` between 3 and 60 pixels: so a scene looks alike at every scale,
    and has edges, corners and the spectrum of photographs without their textures. At most twelve scenes are learned from, and two
    others held out; a patch lies anywhere in one.

    Fields:  image (size, size) or, in colour, (3, size, size).
    Units:   parts of the brightest white.
    Source:  Lee, Mumford & Huang, International Journal of Computer Vision 41, 2001, section 4, with ellipses for discs.

    Options:
        size: pixels along a side of a patch
        colors: 1 for grey, 3 for red, green, blue
    """

    def __init__(
        self,
        *,
        size: Number = 12,
        colors: Number = 1,
    ) -> None: ...

class Digits(SourceForm):
    r"""Handwritten digits of 13 people, 8 x 8 pixels, from 0 (paper) to 1 (ink): 1,797, on the disk once scikit-learn is.

    These are the test pictures of the set "Optical Recognition of Handwritten Digits". There is no split of their own: rows are
    held out by chance.

    Fields:  image (8, 8), or as ``size`` and ``colors`` say; label (): 0 to 9.
    Units:   ink, 0 to 1.
    Errors:  FG503 where scikit-learn is missing.
    Source:  Alpaydin & Kaynak, UCI Machine Learning Repository, 1998.

    Options:
        size: pixels along a side (none: the set's own)
        colors: 1 for grey, 3 for red, green, blue (none: the set's own)
    """

    def __init__(
        self,
        *,
        size: Number | None = None,
        colors: Number | None = None,
    ) -> None: ...

class Images(SourceForm):
    r"""Whole pictures of a folder at one size, with values from 0 (black) to 1 (white), and the names of its folders as labels.

    The shorter side of a picture becomes ``size``, and the middle square is taken. Where the folder has folders of pictures, a
    picture's label is the number, from 0, of the folder that it lies in, in the order of their names; the names are written to
    data.json. Equal files count once, and no picture is on both sides of the split. Without ``folder`` there are the two
    photographs that come with scikit-learn: "china" by danielbuechele and "flower" by vultilion, CC BY 2.0.

    Fields:  image (size, size) or, in colour, (3, size, size); label ().
    Units:   parts of the brightest white; grey is Rec. ITU-R BT.601 luma.
    Errors:  FG504 where there is no picture, FG541 where some lie in folders and some beside them, FG512 to FG514 of files.

    Options:
        size: pixels along a side
        colors: 1 for grey, 3 for red, green, blue
        folder: of pictures, or of folders of them (none: the two of scikit-learn)
    """

    def __init__(
        self,
        *,
        size: Number = 12,
        colors: Number = 1,
        folder: Name | None = None,
    ) -> None: ...

class MixedSources(SourceForm):
    r"""As many independent sources as signals, mixed by a matrix that is known.

    .. math:: y = A s, \qquad s_j \sim Laplace(1 / \sqrt 2) \text{ or uniform, of variance 1}

    The mixture A is a product of rotations and of scales that differ by a factor of at most 4. ``truth(seed)`` gives A.

    Fields:  signal (sources,).

    Options:
        sources: how many sources, and signals
        law: what each source is drawn from
    """

    def __init__(
        self,
        *,
        sources: Number = 2,
        law: Literal['laplace', 'uniform'] = 'laplace',
    ) -> None: ...

class Mnist(SourceForm):
    r"""Handwritten digits, 28 x 28 pixels, from 0 (paper) to 1 (ink): 60,000 to learn from and 10,000 to test.

    Read are the four idx files, as they are or gzipped, from mnist/ (or MNIST/raw/, where another library left them) below a
    folder that the spec may read. The split is the set's own; ``count`` and ``test`` choose rows of each side by chance.

    Fields:  image (28, 28), or as ``size`` and ``colors`` say; label (): 0 to 9.
    Units:   ink, 0 to 1.
    Errors:  FG525 where the files are missing, FG526 where they are damaged.
    Source:  LeCun, Bottou, Bengio & Haffner, Proc. IEEE 86(11), 1998.

    Options:
        size: pixels along a side (none: the set's own)
        colors: 1 for grey, 3 for red, green, blue (none: the set's own)
        folds: learn from one of so many parts of the training pictures: that of the seed
    """

    def __init__(
        self,
        *,
        size: Number | None = None,
        colors: Number | None = None,
        folds: Number = 1,
    ) -> None: ...

class NaturalPatches(SourceForm):
    r"""Square patches of photographs, with values from 0 (black) to 1 (white), each at a place of its own.

    Without ``folder``, of the two photographs that come with scikit-learn: "china" by danielbuechele and "flower" by vultilion,
    CC BY 2.0. With many photographs whole ones are held out for testing; with fewer than ten, blocks of each: in either case no
    pixel is on both sides. Grey values are Rec. ITU-R BT.601 luma.

    Fields:  image (size, size) or, in colour, (3, size, size).

    Options:
        size: pixels along a side of a patch
        colors: 1 for grey, 3 for red, green, blue
        folder: of photographs (none: the two of scikit-learn)
    """

    def __init__(
        self,
        *,
        size: Number = 12,
        colors: Number = 1,
        folder: Name | None = None,
    ) -> None: ...

class Pedestrians(SourceForm):
    r"""Windows of which half show a standing person, in luminance and colour apart, and whether they do.

    Generated windows are told apart by what is large and what is fine together: a person is a body, in cloth whose threads run
    across. Of the others a third are things alone, a third bodies in cloth that runs down, a third the parts of a body out of
    their places.

    ``folder``: that of INRIA's person set, with ``96X160H96/Train/pos`` and ``70X134H96/Test/pos`` (or ``train_64x128_H96``,
    ``test_64x128_H96``) for people, ``Train/neg`` and ``Test/neg`` for pictures without. A person's window is the middle of its
    picture; from a picture without people windows are cut where chance says.

    Fields:  luminance (1, height, width), color (2, height, width), person (): 1 where there is one, else 0.
    Units:   luminance 0 to 1, colour differences -0.5 to 0.5 (Rec. ITU-R BT.601).
    Source:  Dalal & Triggs, CVPR 2005, for the folder.
    Errors:  FG504 where the folder has none of these, FG512 to FG514 of files.

    Options:
        height: pixels of a window from top to bottom
        width: pixels from side to side
        folder: of INRIA's person set (none: generated windows)
    """

    def __init__(
        self,
        *,
        height: Number = 126,
        width: Number = 78,
        folder: Name | None = None,
    ) -> None: ...

class PlantedBoltzmann(SourceForm):
    r"""Binary units that are tied in pairs, drawn from the exact probabilities of all their states.

    .. math:: P(y) \propto \exp(\tfrac12 y' J y + h' y), \qquad J = J', \qquad J_{ii} = 0

    J above its diagonal and h are normal with deviation ``scale``. ``truth(seed)`` gives J, ``fields_of(seed)`` h.

    Fields:  bits (units,).
    Source:  Ackley, Hinton & Sejnowski, Cognitive Science 9, 1985.

    Options:
        units: units of a sample, at most 16
        scale: standard deviation of the true parameters
    """

    def __init__(
        self,
        *,
        units: Number,
        scale: Number = 0.5,
    ) -> None: ...

class PlantedCodes(SourceForm):
    r"""Signals with a true dictionary: each is a sum of a few atoms, weighted by Laplace-distributed numbers.

    .. math:: y = D z, \qquad \|d_j\| = 1, \qquad \|z\|_0 = active, \qquad z_j \sim Laplace(1)

    The atoms are uniform on the sphere; which are active is uniform too. ``truth(seed)`` gives D.

    Fields:  signal (units,).

    Options:
        units: values of a signal
        atoms: atoms of the true dictionary
        active: atoms in each signal
    """

    def __init__(
        self,
        *,
        units: Number,
        atoms: Number,
        active: Number = 3,
    ) -> None: ...

class Stl10(SourceForm):
    r"""Colour photographs of ten kinds of things, 96 x 96 pixels, from 0 to 1: 5,000 with labels, 8,000 to test, 100,000 without.

    Read is the binary version, packed (stl10_binary.tar.gz) or unpacked (stl10_binary/, faster), from stl10/ below a folder that
    the spec may read. The split is the set's own. A ``count`` beyond the labelled pictures goes on with the first ones of those
    without a label, whose label is -1. With ten ``folds`` the labelled pictures are those 1,000 that the authors put into the
    fold of the seed: ten seeds are their protocol.

    Fields:  image (3, 96, 96), or as the options say; label (): airplane, bird, car, cat, deer, dog,
             horse, monkey, ship, truck; -1 for none.
    Units:   parts of the brightest red, green and blue.
    Errors:  FG525 where the files are missing, FG526 where they are damaged.
    Source:  Coates, Ng & Lee, An analysis of single-layer networks in unsupervised feature learning, AISTATS 2011.

    Options:
        size: pixels along a side (none: the set's own)
        colors: 1 for grey, 3 for red, green, blue (none: the set's own)
        folds: 10: learn from that of the authors' ten folds which the seed picks
    """

    def __init__(
        self,
        *,
        size: Number | None = None,
        colors: Number | None = None,
        folds: Literal[1, 10] = 1,
    ) -> None: ...

class Svhn(SourceForm):
    r"""Digits of house numbers seen from the street, in colour, 32 x 32 pixels, 0 to 1: 73,257 to learn from and 26,032 to test.

    Read are the two files of cropped digits, train_32x32.mat and test_32x32.mat, from svhn/ below a folder that the spec may
    read. Beside the digit that the label names, parts of its neighbours are often seen. The files' label 10 is the digit 0. The
    split is the set's own; ``count`` and ``test`` choose rows of each side by chance.

    Fields:  image (3, 32, 32), or as ``size`` and ``colors`` say; label (): 0 to 9.
    Units:   parts of the brightest red, green and blue.
    Errors:  FG525 where the files are missing, FG526 where they are damaged, FG527 where scipy, which reads them, is missing.
    Source:  Netzer, Wang, Coates, Bissacco, Wu & Ng, NIPS workshop on deep learning and unsupervised feature learning, 2011.

    Options:
        size: pixels along a side (none: the set's own)
        colors: 1 for grey, 3 for red, green, blue (none: the set's own)
        folds: learn from one of so many parts of the training pictures: that of the seed
    """

    def __init__(
        self,
        *,
        size: Number | None = None,
        colors: Number | None = None,
        folds: Number = 1,
    ) -> None: ...

class Video(SourceForm):
    r"""Clips of films, some frames of the past and some of the future, with values from 0 (black) to 1 (white).

    A film is a video file (read by PyAV), a folder of frame pictures, or a file of numpy: an .npy, or an .npz with an array
    ``frames``, (frames, height, width) or (frames, height, width, 3), and perhaps ``start`` or ``shot_start``, the first frames
    of its shots. The shorter side of a frame becomes ``size``, and the middle square is taken. A clip begins at every frame from
    which it stays within one shot. With ten shots or more whole ones are held out; with fewer, the last part of each: no frame is
    on both sides.

    Fields:  past (past, size, size), future (future, size, size), frames (past + future, size, size); in colour (past, 3, size,
             size) and so on.
    Units:   parts of the brightest white; grey is Rec. ITU-R BT.601 luma.
    Errors:  FG546 where there are no frames, FG547 where there are too many or too large ones, FG548 without PyAV, FG549 where
             all shots are too short.

    Options:
        size: pixels along a side of a frame
        past: frames of a clip that are given
        future: frames that follow
        colors: 1 for grey, 3 for red, green, blue
        file: a film: a video file, an .npz or an .npy; or folder
        folder: of frame pictures, or of films and folders of frame pictures; or file
    """

    def __init__(
        self,
        *,
        size: Number = 32,
        past: Number = 4,
        future: Number = 1,
        colors: Number = 1,
        file: Name | None = None,
        folder: Name | None = None,
    ) -> None: ...
