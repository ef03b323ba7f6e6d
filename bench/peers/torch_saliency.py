"""The public saliency of one model in PyTorch: the gradient of every spot's largest domain score with
respect to its input genes, dense, by back-propagation through classifier and encoder on the whole graph.

Weights are those in the section file; what they are changes no time.
  torch_saliency.py SECTION.h5 --profile reference --threads 1
"""
import argparse

import numpy
import torch

import section as common
import torch_classifier
import torch_training


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section")
    parser.add_argument("--profile", choices=torch_training.PROFILES, default="full")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    profile = torch_training.PROFILES[arguments.profile]
    read = common.read_section(arguments.section)
    x = torch.from_numpy(common.dense_expression(read)).requires_grad_()
    domain = torch.from_numpy(read["classifier/domain"]).long()
    n_domains = int(domain.max()) + 1
    row_start, source = (torch.from_numpy(read[f"graph/{name}"]).long() for name in ("row_start", "source"))
    target = torch.repeat_interleave(torch.arange(len(x)), row_start.diff())
    model = torch_training.AutoEncoder(
        *(torch.from_numpy(read[f"weights/{name}"]) for name in ("w1", "w2", "a_src", "a_dst")),
        profile["phi"], profile["split"])
    classifier = torch_classifier.classifier(arguments.profile, len(read["weights/w2"][0]), n_domains)
    score = numpy.zeros((n_domains, x.shape[1]))

    def saliency(_):
        x.grad = None
        z, _ = model.encode(x, source, target)
        classifier(z).max(dim=1).values.sum().backward()
        found = torch.relu(x.grad)
        for k in range(n_domains):
            score[k] = torch.linalg.vector_norm(found[domain == k], dim=0).numpy()

    time = common.timed(saliency, 1)
    common.report(**time, n_scored=int((score > 0).sum()))


if __name__ == "__main__":
    main()
