# R's mclust on float32 [N, 30]: one line of JSON.    Rscript mclust_time.R FILE SEED
suppressPackageStartupMessages(library(mclust))
arguments <- commandArgs(trailingOnly = TRUE)
n_values <- file.size(arguments[1]) / 4
points <- matrix(readBin(arguments[1], "numeric", n_values, size = 4), ncol = 30, byrow = TRUE)
set.seed(as.integer(arguments[2]))
# One start, from at most 2000 points as mclust does by itself (mclust.options("subset")).
time <- system.time(fit <- Mclust(points, G = 7, modelNames = "EEE", verbose = FALSE))
cat(sprintf('{"seconds": %.6f, "cpu_s": %.6f, "log_likelihood": %.6f}\n', time[["elapsed"]],
            time[["user.self"]] + time[["sys.self"]], fit$loglik))
