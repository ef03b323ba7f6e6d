// Ours beside the peers of bench/peers: one stage on a section file, timed, one line of JSON.
//   stage_time make section.h5 --spots 4226 --genes 3000 --density 0.1
//   stage_time train section.h5 --profile reference --epochs 20 --threads 1 --tiles 1
//   stage_time train section.h5 --device cuda --precision tf32 --models 20 --queued 16
//   stage_time classify section.h5 --profile full
//   stage_time consensus section.h5 --spots 4000
#include <omp.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "cluster/consensus.hpp"
#include "io/h5.hpp"
#include "model/classifier.hpp"
#include "model/trainer.hpp"
#include "random_section.hpp"
#include "section_file.hpp"

namespace stamarker::bench {
namespace {

/// FILE and pairs of --name value.
class Arguments {
 public:
  Arguments(int argc, char** argv) : file_(argc > 2 ? argv[2] : "") {
    if (argc < 3 || argc % 2 == 0)
      throw InputError("usage: stage_time make|train|classify|consensus FILE [--name value]...");
    for (int k = 3; k + 1 < argc; k += 2) value_[argv[k]] = argv[k + 1];
  }
  const std::string& file() const { return file_; }
  std::string text(const char* name, const char* otherwise) const {
    const auto found = value_.find(name);
    return found == value_.end() ? otherwise : found->second;
  }
  double number(const char* name, double otherwise) const {
    return value_.contains(name) ? std::stod(value_.at(name)) : otherwise;
  }
  int count(const char* name, int otherwise) const {
    return static_cast<int>(number(name, otherwise));
  }
  bool is_reference() const { return text("--profile", "full") == "reference"; }

 private:
  std::string file_;
  std::map<std::string, std::string> value_;
};

struct Timing {
  double seconds = 0, cpu_seconds = 0;  // median wall time, mean CPU time of all threads
};

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class Work>
Timing timed(int n_repeats, const Work& work) {
  std::vector<double> wall;
  const double cpu = processor_seconds();
  for (int k = 0; k < n_repeats; ++k) {
    const auto start = std::chrono::steady_clock::now();
    work();
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::ranges::sort(wall);
  return {wall[wall.size() / 2], (processor_seconds() - cpu) / n_repeats};
}

template <class T>
std::string list_of(const std::vector<T>& values) {
  std::string text;
  char number[32];
  for (const T& v : values) {
    std::snprintf(number, sizeof number, "%s%.9g", text.empty() ? "" : ", ",
                  static_cast<double>(v));
    text += number;
  }
  return '[' + text + ']';
}

void report(Timing time, const char* name, const std::string& value, std::size_t device_bytes = 0) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf(
      "{\"seconds\": %.6g, \"cpu_seconds\": %.6g, \"peak_bytes\": %lld, \"peak_device_bytes\": "
      "%zu, "
      "\"%s\": %s}\n",
      time.seconds, time.cpu_seconds, 1024LL * usage.ru_maxrss, device_bytes, name, value.c_str());
}

std::unique_ptr<Backend> backend_of(const Arguments& arguments) {
  const bool is_cpu = arguments.text("--device", "cpu") == "cpu";
  const bool is_tf32 = arguments.text("--precision", "fp32") == "tf32";
  return make_backend(is_cpu ? Device::cpu : Device::cuda,
                      {.precision = is_tf32 ? Precision::tf32 : Precision::fp32});
}

/// Concurrent models, each with a stream of its own, as the program trains them. An epoch's time
/// is that of one model. The first model's losses are reported.
void train(const Arguments& arguments) {
  const int n_epochs = arguments.count("--epochs", 20), n_trained = arguments.count("--models", 1);
  const int n_queued = arguments.count("--queued", 1);  // epochs, before the host waits
  AutoencoderOptions options;
  options.epochs = n_checked + n_epochs * n_queued;
  if (arguments.is_reference()) {
    options.neighbors_per_step = Neighbors::one;
    options.tied_update = TiedUpdate::split;
    options.attention = Attention::leaky_relu;
    options.learning_rate = 1e-4f;
  }
  const auto backend = backend_of(arguments);
  const std::size_t free_before = backend->free_bytes().value_or(0);
  TileReduction alone;
  const TrainingSection section(*backend, read_training_data(arguments.file()),
                                arguments.count("--tiles", 1));
  std::vector<std::unique_ptr<Backend>> streams;
  std::vector<std::unique_ptr<Trainer>> trainers;
  for (int m = 0; m < n_trained; ++m) {
    streams.push_back(backend_of(arguments));
    trainers.push_back(
        std::make_unique<Trainer>(*streams.back(), section, options, /*seed=*/0, m, alone));
  }
  const auto advance = [&](int epochs) {
    for (const auto& trainer : trainers) trainer->enqueue(epochs);
    for (const auto& trainer : trainers) trainer->wait();
  };
  advance(n_checked);
  const std::vector<double> losses = trainers.front()->loss();
  Timing time = timed(n_epochs, [&] { advance(n_queued); });
  time.seconds /= n_queued * n_trained;
  time.cpu_seconds /= n_queued * n_trained;
  report(time, "losses", list_of(losses), free_before - backend->free_bytes().value_or(0));
}

void classify(const Arguments& arguments) {
  ClassifierOptions options;
  if (arguments.is_reference()) {
    options.activation = Activation::none;
    options.loss = ClassifierLoss::batch_softmax;
  }
  const h5::File file = h5::open_to_read(arguments.file());
  const auto embedding = h5::read<float>(file, "classifier/embedding");
  const auto domain = h5::read<std::int32_t>(file, "classifier/domain");
  const auto backend = make_backend(Device::cpu);
  std::vector<double> accuracy(1);
  Timing time = timed(3, [&] {
    accuracy[0] = train_classifier(*backend, embedding, n_latent, domain, n_domains, options, 0, 0)
                      .held_out_accuracy;
  });
  time.seconds /= options.epochs;  // of an epoch, as the peer
  time.cpu_seconds /= options.epochs;
  report(time, "held_out_accuracy", list_of(accuracy));
}

void find_consensus(const Arguments& arguments) {
  const h5::File file = h5::open_to_read(arguments.file());
  const auto all = h5::read<std::int32_t>(file, "consensus/labels");
  const auto n_all = static_cast<std::ptrdiff_t>(all.size() / n_models);
  const auto n = std::min(n_all, static_cast<std::ptrdiff_t>(arguments.number("--spots", 1e9)));
  std::vector<std::int32_t> labels;
  for (std::ptrdiff_t m = 0; m < n_models; ++m)
    labels.insert(labels.end(), all.begin() + m * n_all, all.begin() + m * n_all + n);
  std::vector<int> sizes(n_domains);
  const Timing time = timed(5, [&] {
    const Consensus found = consensus(labels, n_models, n_domains, {});
    std::ranges::fill(sizes, 0);
    for (const std::int32_t d : found.domain) ++sizes[d];
  });
  report(time, "domain_sizes", list_of(sizes));
}

void run(const std::string& command, const Arguments& arguments) {
  omp_set_num_threads(arguments.count("--threads", 1));
  if (command == "make")
    write_section_file(arguments.file(), random_section(arguments.count("--spots", 4226),
                                                        arguments.count("--genes", 3000),
                                                        arguments.number("--density", 0.1)));
  else if (command == "train")
    train(arguments);
  else if (command == "classify")
    classify(arguments);
  else if (command == "consensus")
    find_consensus(arguments);
  else
    throw InputError("no command " + command);
}

}  // namespace
}  // namespace stamarker::bench

int main(int argc, char** argv) {
  try {
    stamarker::bench::run(argc > 1 ? argv[1] : "", {argc, argv});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stage_time: error: %s\n", error.what());
    return 2;
  }
}
