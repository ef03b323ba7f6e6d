"""The public training of one auto-encoder in PyTorch: dense X, autograd, torch.optim.Adam.

Written from the equations of docs/method.md. Starts from the weights in the section file, so that
its losses are comparable with ours digit by digit.
  torch_training.py SECTION.h5 --profile reference --epochs 20 --threads 1
"""
import argparse

import torch

import section as common

PROFILES = {
    "reference": {"one_source": True, "split": True, "phi": torch.nn.LeakyReLU(0.2), "rate": 1e-4},
    "full": {"one_source": False, "split": False, "phi": torch.sigmoid, "rate": 1e-3},
}


def aggregate(rows, alpha, source, target):
    """sum over the edges (source, target) of alpha rows[source], by target."""
    messages = rows[source] * alpha[:, None]
    return torch.zeros_like(rows).index_add(0, target, messages)


def edge_softmax(scores, target, n_spots):
    """Softmax over the edges of each target."""
    top = torch.full((n_spots,), -torch.inf, device=scores.device).scatter_reduce(
        0, target, scores.detach(), "amax")
    weight = torch.exp(scores - top[target])
    total = torch.zeros(n_spots, device=scores.device).index_add(0, target, weight)
    return weight / total[target]


class AutoEncoder(torch.nn.Module):
    """STAGATE's auto-encoder with tied weights; `split` gives the decoder parameters of its own
    that lie in the encoder's storage, so that each of the two gets its own Adam update."""

    def __init__(self, w1, w2, a_src, a_dst, phi, split):
        super().__init__()
        self.phi = phi
        self.w1 = torch.nn.Parameter(w1)
        self.a_src, self.a_dst = torch.nn.Parameter(a_src), torch.nn.Parameter(a_dst)
        self.w2 = torch.nn.Parameter(w2)
        if split:
            self.decoder_w2 = torch.nn.Parameter(self.w2.data)
            self.decoder_w1 = torch.nn.Parameter(self.w1.data)
        else:
            self.decoder_w1, self.decoder_w2 = self.w1, self.w2

    def encode(self, x, source, target):
        """The embedding, and the attention of each edge."""
        y = x @ self.w1
        scores = self.phi((y @ self.a_src)[source] + (y @ self.a_dst)[target])
        alpha = edge_softmax(scores, target, len(x))
        h1 = torch.nn.functional.elu(aggregate(y, alpha, source, target))
        return h1 @ self.w2, alpha

    def forward(self, x, source, target):
        z, alpha = self.encode(x, source, target)
        h3 = torch.nn.functional.elu(aggregate(z @ self.decoder_w2.T, alpha, source, target))
        return h3 @ self.decoder_w1.T


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section")
    parser.add_argument("--profile", choices=PROFILES, default="full")
    parser.add_argument("--epochs", type=int, default=20, help="timed, after those that are checked")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tf32", action="store_true", help="products in TF32 on a GPU")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.tf32:
        torch.set_float32_matmul_precision("high")
    profile, device = PROFILES[arguments.profile], torch.device(arguments.device)
    read = common.read_section(arguments.section)

    def tensor(name):
        return torch.from_numpy(read[name]).to(device)

    x = torch.from_numpy(common.dense_expression(read)).to(device)
    row_start, every_source = tensor("graph/row_start"), tensor("graph/source").long()
    degree = row_start.diff()
    every_target = torch.repeat_interleave(torch.arange(len(x), device=device), degree)
    own = torch.arange(len(x), device=device)
    draws = tensor("reference/draws").long()  # [n_checked, n_spots]
    n_checked = int(read["n_checked"])
    model = AutoEncoder(*(tensor(f"weights/{name}") for name in ("w1", "w2", "a_src", "a_dst")),
                        profile["phi"], profile["split"])
    # Parameters that share their storage must be updated one after the other.
    adam = torch.optim.Adam(model.parameters(), lr=profile["rate"], weight_decay=1e-4,
                            foreach=False if profile["split"] else None)
    schedule = torch.optim.lr_scheduler.StepLR(adam, 1000, 0.9)
    losses = []

    def edges(epoch):
        if not profile["one_source"]:
            return every_source, every_target
        if epoch < n_checked:
            return draws[epoch], own
        drawn = (torch.rand(len(x), device=device) * degree).long()
        return every_source[row_start[:-1] + drawn], own

    def epoch(k, keep_loss=False):
        adam.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x, *edges(k)), x)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        adam.step()
        schedule.step()
        if keep_loss:
            losses.append(loss.item())

    for k in range(n_checked):
        epoch(k, keep_loss=True)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    time = common.timed(lambda k: epoch(n_checked + k), arguments.epochs, wait)
    if device.type == "cuda":
        time["peak_device_bytes"] = torch.cuda.max_memory_allocated()
    common.report(**time, losses=losses, torch=torch.__version__, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
