#include "app/program.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "io/block_checksums.hpp"
#include "io/h5.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream in(list);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::vector<std::string> command_line(const std::vector<std::string>& arguments, int n_ranks) {
  std::vector<std::string> words;
  if (n_ranks > 0) {
    words = words_of(STM_MPIRUN);
    words.insert(words.end(), {"-n", std::to_string(n_ranks)});
  }
  words.emplace_back(STM_PROGRAM);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

/// Starts the command; standard output and error go to files in `folder`.
pid_t start(const fs::path& folder, const std::vector<std::string>& words) {
  const pid_t child = fork();
  if (child != 0) return child;
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const bool is_ready =
      chdir(folder.c_str()) == 0 && freopen("stdout.txt", "w", stdout) != nullptr &&
      freopen("stderr.txt", "w", stderr) != nullptr && freopen("/dev/null", "r", stdin) != nullptr;
  setenv("OMP_WAIT_POLICY", "passive", 1);  // more threads than cores must not spin
  unsetenv("OMP_NUM_THREADS");
  ::signal(SIGINT, SIG_DFL);  // a script's background job, as the tests may be, ignores it
  if (is_ready) execvp(argv[0], argv.data());
  _exit(127);
}

/// The youngest child of the youngest child, and so on down; `parent` when it has none. Below
/// mpirun that is a rank, also where a process of its own for each node lies between (MPICH).
pid_t last_descendant_of(pid_t parent) {
  pid_t youngest = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string line = read_text(entry.path() / "stat");
    const auto name_end = line.rfind(')');
    if (name_end == std::string::npos) continue;
    std::istringstream rest(line.substr(name_end + 1));
    char state = 0;
    pid_t its_parent = 0;
    rest >> state >> its_parent;
    if (its_parent == parent) youngest = std::max(youngest, std::stoi(name));
  }
  return youngest > 0 ? last_descendant_of(youngest) : parent;
}

Outcome finish(const fs::path& folder, int status) {
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          read_text(folder / "stdout.txt"), read_text(folder / "stderr.txt")};
}

/// A dataset's values as bytes; pointers to text, also inside records, are followed.
std::string values_of(hid_t file, const std::string& path) {
  const h5::DataSet set = h5::open_dataset(file, path);
  const h5::Type type{H5Dget_type(set)};
  const h5::Space space{H5Dget_space(set)};
  const std::size_t n = h5::n_values(set), width = H5Tget_size(type);
  std::vector<char> values(n * width);
  h5::check(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  if (H5Tget_class(type) != H5T_COMPOUND) return {values.begin(), values.end()};
  std::string bytes;
  for (int member = 0; member < H5Tget_nmembers(type); ++member) {
    const h5::Type of_member{H5Tget_member_type(type, member)};
    const std::size_t offset = H5Tget_member_offset(type, member);
    for (std::size_t i = 0; i < n; ++i) {
      const char* at = values.data() + i * width + offset;
      if (H5Tis_variable_str(of_member) > 0) {
        const char* text = nullptr;
        std::memcpy(&text, at, sizeof(text));
        bytes += std::string(text) + '\n';
      } else {
        bytes.append(at, H5Tget_size(of_member));
      }
    }
  }
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, values.data());
  return bytes;
}

/// Adds all that lies below `group`.
void collect(hid_t file, const std::string& group, std::map<std::string, std::string>& contents) {
  const h5::Group opened = h5::open_group(file, group);
  for (const std::string& name : h5::names_in(opened)) {
    const std::string path = group == "/" ? name : group + "/" + name;
    if (h5::is_group(file, path)) {
      collect(file, path, contents);
      continue;
    }
    std::string& bytes = contents[path];
    for (const std::int64_t extent : h5::shape_of(file, path))
      bytes += std::to_string(extent) + ' ';
    if (h5::class_of(file, path) == H5T_STRING) {
      for (const std::string& text : h5::read_strings(file, path)) bytes += text + '\n';
      continue;
    }
    bytes += values_of(file, path);
  }
}

}  // namespace

int Outcome::n_error_lines() const {
  return static_cast<int>(std::count(error.begin(), error.end(), '\n'));
}

std::vector<std::string> with_settings(std::vector<std::string> words,
                                       const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) words.insert(words.end(), {"--set", setting});
  return words;
}

Outcome run_program(const fs::path& folder, const std::vector<std::string>& arguments,
                    int n_ranks) {
  int status = 0;
  waitpid(start(folder, command_line(arguments, n_ranks)), &status, 0);
  return finish(folder, status);
}

Outcome run_by_shell(const fs::path& folder, const std::string& script) {
  int status = 0;
  waitpid(start(folder, {"sh", "-c", script}), &status, 0);
  return finish(folder, status);
}

Outcome run_with_last_rank_by(const std::vector<std::string>& by, const fs::path& folder,
                              const std::vector<std::string>& arguments, int n_ranks, int seconds) {
  std::vector<std::string> words{"timeout", std::to_string(seconds)};
  const auto add = [&words](const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
  };
  add(command_line(arguments, n_ranks - 1));
  add({":", "-n", "1"});
  add(by);
  add({STM_PROGRAM});
  add(arguments);
  int status = 0;
  waitpid(start(folder, words), &status, 0);
  return finish(folder, status);
}

Outcome run_and_signal(const fs::path& folder, const std::vector<std::string>& arguments,
                       int n_ranks, int signal, const std::function<bool()>& is_time,
                       Target target) {
  const pid_t child = start(folder, command_line(arguments, n_ranks));
  int status = 0;
  while (!is_time() && waitpid(child, &status, WNOHANG) == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  kill(target == Target::one_rank && n_ranks > 0 ? last_descendant_of(child) : child, signal);
  waitpid(child, &status, 0);
  return finish(folder, status);
}

Scratch::Scratch() {
  std::string pattern = (fs::temp_directory_path() / "stamarker_test_XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no scratch folder");
  path_ = pattern;
}
Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::map<std::string, std::string> contents_of(const fs::path& file) {
  std::map<std::string, std::string> contents;
  const h5::File opened = h5::open_to_read(file.string());
  collect(opened, "/", contents);
  return contents;
}

std::map<std::string, std::string> comparable_contents(const fs::path& file) {
  auto contents = contents_of(file);
  std::erase_if(contents, [](const auto& entry) {
    return entry.first.starts_with("uns/stamarker/run_times") ||
           entry.first.starts_with("uns/stamarker/provenance");
  });
  return contents;
}

void flip_bit(const fs::path& file, std::int64_t offset) {
  std::fstream opened(file, std::ios::in | std::ios::out | std::ios::binary);
  opened.seekg(offset);
  const auto byte = static_cast<char>(opened.get() ^ (1 << offset % 8));
  opened.seekp(offset);
  opened.put(byte);
}

void add_checksums(const fs::path& file) {
  const auto n_bytes = static_cast<std::int64_t>(fs::file_size(file));
  const auto n_blocks = static_cast<int>(checked_blocks(n_bytes).n());
  append_checksums(file, n_bytes, checksums_of_part(file, n_bytes, {0, n_blocks}));
}

std::string read_text(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

}  // namespace stamarker::test
