#include "comm/comm.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/crash_report.hpp"

namespace stamarker {

void check_mpi(int status, Site where) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw LibraryError("MPI", text, where);
}

int as_count(std::size_t n) {
  expects(n <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
          "an MPI count below 2^31");
  return static_cast<int>(n);
}

namespace {

/// Launchers (mpirun, mpiexec, srun with PMI) tell their processes how to find each other.
bool has_launcher() {
  constexpr const char* said[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_FD"};
  return std::any_of(std::begin(said), std::end(said), [](const char* name) {
    return std::getenv(name) != nullptr;  // NOLINT(concurrency-mt-unsafe): no thread yet
  });
}

constexpr int keep_the_users = 0;  // of environment variables that are set already

/// Open MPI's handler of crashes allocates memory: in a process that crashed within malloc it
/// waits forever. Without it the process ends, and mpirun ends the others.
void leave_crashes_to_us() {
  setenv("OMPI_MCA_opal_signal", "",
         keep_the_users);  // NOLINT(concurrency-mt-unsafe): no thread yet
}

/// Spares Open MPI what only processes with peers need: a daemon, which serves spawning alone,
/// loading the drivers of fast networks, of which libpsm2 measures the clock for 0.2 s each time,
/// and the session folder, which without the daemon has one name for all processes of a user: the
/// first to end would delete it while another starts.
void start_alone() {
  setenv("OMPI_MCA_ess_singleton_isolated", "1", keep_the_users);    // NOLINT: no thread yet
  setenv("OMPI_MCA_pml", "ob1", keep_the_users);                     // NOLINT: likewise
  setenv("OMPI_MCA_orte_create_session_dirs", "0", keep_the_users);  // NOLINT: likewise
}

}  // namespace

Environment::Environment(int& argc, char**& argv) {
  leave_crashes_to_us();
  if (!has_launcher()) start_alone();
  int provided = 0;  // OpenMP threads compute; only the main thread calls MPI
  check_mpi(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided));
  report_crashes();
}
Environment::~Environment() { MPI_Finalize(); }

Comm::Comm(MPI_Comm parent) {
  check_mpi(MPI_Comm_dup(parent, &comm_));  // our own message space, and our own error handler
  check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN));
  check_mpi(MPI_Comm_rank(comm_, &rank_));
  check_mpi(MPI_Comm_size(comm_, &size_));
}
Comm::~Comm() {
  if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
}
Comm::Comm(Comm&& other) noexcept
    : comm_(std::exchange(other.comm_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_) {}

Comm Comm::split(int color) const {
  Comm part;
  check_mpi(MPI_Comm_split(comm_, color, rank_, &part.comm_));
  check_mpi(MPI_Comm_rank(part.comm_, &part.rank_));
  check_mpi(MPI_Comm_size(part.comm_, &part.size_));
  return part;
}

int Comm::rank_on_machine() const {
  Comm machine;
  check_mpi(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &machine.comm_));
  check_mpi(MPI_Comm_rank(machine.comm_, &machine.rank_));
  return machine.rank_;
}

Comm::Lengths Comm::lengths_of(std::size_t n_mine) const {
  const int mine = as_count(n_mine);
  Lengths lengths{std::vector<int>(size_), std::vector<int>(size_)};
  check_mpi(MPI_Allgather(&mine, 1, MPI_INT, lengths.of.data(), 1, MPI_INT, comm_));
  lengths.all = as_count(std::accumulate(lengths.of.begin(), lengths.of.end(), std::size_t{0}));
  std::exclusive_scan(lengths.of.begin(), lengths.of.end(), lengths.start.begin(), 0);
  return lengths;
}

void Comm::barrier() const { check_mpi(MPI_Barrier(comm_)); }

bool Comm::all_arrive(double seconds) const {
  MPI_Request arrival = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(comm_, &arrival));
  const double start = MPI_Wtime();
  for (int is_done = 0; MPI_Wtime() - start < seconds;) {
    check_mpi(MPI_Test(&arrival, &is_done, MPI_STATUS_IGNORE));
    if (is_done != 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

std::string Comm::broadcast(const std::string& text, int root) const {
  std::int64_t length = static_cast<std::int64_t>(text.size());
  broadcast(std::span(&length, 1), root);
  std::string all = text;
  all.resize(static_cast<std::size_t>(length));
  broadcast(std::span(all.data(), all.size()), root);
  return all;
}

void Comm::agree(const std::string& failure) const {
  const int candidate = failure.empty() ? size_ : rank_;
  int first = size_;
  check_mpi(MPI_Allreduce(&candidate, &first, 1, MPI_INT, MPI_MIN, comm_));
  if (first == size_) return;
  throw InputError(broadcast(failure, first));
}

void Comm::together(const std::function<void()>& work) const {
  std::string failure;
  try {
    work();
  } catch (const InputError& error) {
    failure = error.what();
  }
  agree(failure);
}

// Messages without content, of which all that is looked at is whether one is there. Collectives
// cannot serve: they wait for every rank, and some work on for hours.
constexpr int failure_tag = 1;

bool Others::have_failed() const {
  int is_there = 0;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, failure_tag, comm_, &is_there, MPI_STATUS_IGNORE));
  return is_there != 0;
}

std::vector<MPI_Request> Comm::tell_others_of_failure() const {
  std::vector<MPI_Request> requests(size_, MPI_REQUEST_NULL);
  for (int r = 0; r < size_; ++r)
    if (r != rank_) check_mpi(MPI_Isend(nullptr, 0, MPI_CHAR, r, failure_tag, comm_, &requests[r]));
  return requests;
}

void Comm::together_in_steps(const std::function<void(const Others& others)>& work) const {
  std::string failure;
  std::vector<MPI_Request> told;
  try {
    work(Others(comm_));
  } catch (const InputError& error) {
    failure = error.what();
    told = tell_others_of_failure();
  }
  const char has_failed = told.empty() ? 0 : 1;
  const std::vector<char> failed = all_gather(std::span(&has_failed, 1));
  for (int r = 0; r < size_; ++r)
    if (failed[r] != 0 && r != rank_)
      check_mpi(MPI_Recv(nullptr, 0, MPI_CHAR, r, failure_tag, comm_, MPI_STATUS_IGNORE));
  check_mpi(MPI_Waitall(static_cast<int>(told.size()), told.data(), MPI_STATUSES_IGNORE));
  agree(failure);
}

void Comm::on_root(const std::function<void()>& work) const {
  together([&] {
    if (rank_ == 0) work();
  });
}

}  // namespace stamarker
