"""One update of each network, as the paper writes it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from training.config import AdversarialConfig, OptimizerConfig, TrainingConfig
from training.discriminator import PatchDiscriminator
from training.losses import adversarial_loss, discriminator_loss, pixel_loss, structure_loss
from training.paper_networks import PaperDiscriminator
from training.planes import judged


@dataclass(frozen=True, kw_only=True)
class Player:
    """A network of the game with what moves it."""

    network: nn.Module
    """As Lightning Fabric set it up: compiled, distributed, in its precision."""

    plain: nn.Module
    """The same network itself; it shares its weights."""

    optimizers: tuple[torch.optim.Optimizer, ...]
    """Adam, and Muon where the settings say so; each weight belongs to one of them."""

    config: OptimizerConfig
    """Its settings."""

    def set_rate(self, iteration: int, iterations: int) -> float:
        """Set and return the learning rate of the 0-based ``iteration``."""
        rate = self.config.rate(iteration, iterations)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        return rate

    def move(self, fabric: Fabric, loss: Tensor, clip: float | None = None) -> None:
        """Take one step down the gradient of ``loss``."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        fabric.backward(loss)
        for optimizer in self.optimizers:
            if clip is not None:  # Lightning Fabric clips what one optimizer moves
                # float16 gradients may overflow now and then; the loss shows whether it matters
                fabric.clip_gradients(
                    self.network, optimizer, max_norm=clip, error_if_nonfinite=False
                )
            optimizer.step()


def build_discriminator(config: AdversarialConfig) -> PaperDiscriminator | PatchDiscriminator:
    """Return a freshly initialised discriminator."""
    return PaperDiscriminator() if config.discriminator == "paper" else PatchDiscriminator()


def update_generator(
    fabric: Fabric,
    config: TrainingConfig,
    generator: Player,
    discriminator: Player | None,
    restored: Tensor,
    pristine: Tensor,
    compressed: Tensor,
) -> dict[str, Tensor]:
    """Move G: ``L_G = BCE(D(G(x)), 1) + λ·L(G(x), y)``, or ``λ·L`` without a discriminator.

    ``L`` is the pixel loss and, with a weight, the structure loss.

    Parameters
    ----------
    restored, pristine, compressed
        ``G(x)``, with its graph, ``y`` and ``x``: float32 ``(batch, planes, height, width)`` in
        [0, 1]; of Y, Cb and Cr the last two count.

    Returns
    -------
    dict
        The losses ``pixel``, ``structure`` and ``adversarial``, as far as they count, detached.
    """
    pixel = pixel_loss(config.pixel_loss, judged(restored), judged(pristine), config.log_floor)
    losses = {"pixel": pixel.detach()}
    loss = config.pixel_weight * pixel
    if config.structure_weight:
        structure = structure_loss(restored, pristine)
        losses["structure"] = structure.detach()
        loss = loss + config.pixel_weight * config.structure_weight * structure
    if discriminator is not None:
        discriminator.plain.requires_grad_(False)  # judges here, does not learn
        with fabric.autocast():  # which the plain network does not have by itself
            logits = discriminator.plain(restored, compressed)
        adversarial = adversarial_loss(logits.float())
        discriminator.plain.requires_grad_(True)
        losses["adversarial"] = adversarial.detach()
        loss = adversarial + loss
    generator.move(fabric, loss, config.gradient_clip)
    return losses


def update_discriminator(
    fabric: Fabric, discriminator: Player, restored: Tensor, pristine: Tensor, compressed: Tensor
) -> dict[str, Tensor]:
    """Move D: ``L_D = BCE(D(y), 1) + BCE(D(G(x)), 0)``.

    Returns
    -------
    dict
        ``discriminator``, the loss, and ``discriminator_accuracy``, the share of right verdicts,
        both detached.
    """
    pristine_logits = discriminator.network(pristine, compressed)
    restored_logits = discriminator.network(restored.detach(), compressed)
    loss = discriminator_loss(pristine_logits, restored_logits)
    discriminator.move(fabric, loss)
    right = torch.cat([pristine_logits > 0, restored_logits <= 0], dim=0).float().mean()
    return {"discriminator": loss.detach(), "discriminator_accuracy": right}
