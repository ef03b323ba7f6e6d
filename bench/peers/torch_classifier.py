"""The public training of one classifier in PyTorch: design as in docs/method.md, section 5.

Batches are drawn by torch.utils.data, as the public code draws them: a WeightedRandomSampler over
the training spots, 1000 a batch.
  torch_classifier.py SECTION.h5 --profile reference --threads 1
"""
import argparse

import numpy
import torch

import section as common

N_EPOCHS, BATCH, TEST_SHARE = 300, 1000, 0.1


def batch_softmax_loss(logits, label):
    """What the public code minimises: softmax over the batch, then cross-entropy of that."""
    return torch.nn.functional.cross_entropy(torch.softmax(logits, dim=0), label)


PROFILES = {
    "reference": {"between": torch.nn.Identity, "loss": batch_softmax_loss},
    "full": {"between": torch.nn.ELU, "loss": torch.nn.functional.cross_entropy},
}


def classifier(profile, n_latent, n_classes):
    return torch.nn.Sequential(torch.nn.Linear(n_latent, 30), PROFILES[profile]["between"](),
                               torch.nn.Linear(30, n_classes))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section")
    parser.add_argument("--profile", choices=PROFILES, default="full")
    parser.add_argument("--epochs", type=int, default=N_EPOCHS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--loading", choices=("loader", "indexing"), default="loader",
                        help="loader: torch.utils.data as in the public code; indexing: one gather a batch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    profile, device = PROFILES[arguments.profile], torch.device(arguments.device)
    read = common.read_section(arguments.section)
    z = torch.from_numpy(read["classifier/embedding"]).to(device)
    label = torch.from_numpy(read["classifier/domain"]).long().to(device)
    n_classes = int(label.max()) + 1

    generator = numpy.random.default_rng(0)
    order = torch.from_numpy(generator.permutation(len(z))).to(device)
    n_test = int(TEST_SHARE * len(z))
    test, train = order[:n_test], order[n_test:]
    weight = (1.0 / torch.bincount(label[train], minlength=n_classes))[label[train]]
    model = classifier(arguments.profile, z.shape[1], n_classes).to(device)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.StepLR(adam, 250, 0.5)

    def step(rows, labels):
        adam.zero_grad()
        profile["loss"](model(rows), labels).backward()
        adam.step()

    sampler = torch.utils.data.WeightedRandomSampler(weight.tolist(), len(train))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(z[train], label[train]),
                                         BATCH, sampler=sampler)

    def epoch(_):
        if arguments.loading == "loader":
            for rows, labels in loader:
                step(rows, labels)
        else:
            drawn = train[torch.multinomial(weight, len(train), replacement=True)]
            for batch in drawn.split(BATCH):
                step(z[batch], label[batch])
        schedule.step()

    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    epoch(0)
    time = common.timed(epoch, arguments.epochs, wait)
    with torch.no_grad():
        accuracy = (model(z[test]).argmax(1) == label[test]).float().mean().item()
    common.report(**time, held_out_accuracy=accuracy, torch=torch.__version__)


if __name__ == "__main__":
    main()
