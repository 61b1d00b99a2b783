import torch

from camloss.digits.styles import STYLES, draw_styles


def test_every_style_is_drawn_and_labelled() -> None:
    drawn = draw_styles(3, seed=0)
    assert drawn.images.shape == (3 * len(STYLES), 1, 28, 28)
    assert drawn.images.dtype == torch.uint8
    assert drawn.labels.tolist() == [style.label for style in STYLES.values() for _ in range(3)]
    assert drawn.labels.dtype == torch.int64


def test_none_is_fine() -> None:
    assert draw_styles(0, seed=0).images.shape == (0, 1, 28, 28)


def test_the_seed_decides() -> None:
    assert torch.equal(draw_styles(2, seed=1).images, draw_styles(2, seed=1).images)
    assert not torch.equal(draw_styles(2, seed=1).images, draw_styles(2, seed=2).images)


def test_digits_lie_in_mnists_box() -> None:
    """The longer side is 20 pixels, give or take the pen; nothing touches the edge of the field."""
    images = draw_styles(40, seed=0).images[:, 0].float() / 255
    inked = images > 0.5
    heights = inked.any(2).sum(1)
    widths = inked.any(1).sum(1)
    longest = torch.maximum(heights, widths)
    assert longest.min() >= 17
    assert longest.max() <= 22
    assert images[:, [0, 1, -2, -1], :].max() == 0
    assert images[:, :, [0, 1, -2, -1]].max() == 0


def test_strokes_have_no_gaps() -> None:
    """Along its rows every flagged 1 is inked without a break: points are drawn closely enough."""
    images = draw_styles(40, seed=0).images[:40, 0].float() / 255
    rows = images.amax(2)  # (40, 28)
    for row in rows:
        inked = (row > 0.3).nonzero().flatten()
        assert len(inked) == inked[-1] - inked[0] + 1


def test_no_two_drawings_are_alike() -> None:
    images = draw_styles(40, seed=0).images
    assert len(torch.unique(images.flatten(1), dim=0)) == len(images)


def test_strokes_that_meet_still_do_after_bending() -> None:
    """A 7's bar crosses its stem in every drawing: the ink is one piece."""
    place = list(STYLES).index("7 with a bar")
    images = draw_styles(20, seed=0).images[20 * place : 20 * (place + 1), 0] > 80
    for image in images:
        piece = torch.zeros_like(image)
        first = image.nonzero()[0]
        piece[first[0], first[1]] = True
        for _ in range(60):
            grown = torch.nn.functional.max_pool2d(piece[None, None].float(), 3, 1, 1)[0, 0].bool() & image
            if torch.equal(grown, piece):
                break
            piece = grown
        assert torch.equal(piece, image)
