// Reads an input as the program does and writes what it read as a section, for comparison with what
// anndata and scanpy read. Usage: dump_dataset INPUT OUTPUT [LAYER [SPATIAL_KEY [BATCH_KEY]]]
#include <cstdio>

#include "base/error.hpp"
#include "io/read_input.hpp"
#include "io/section_file.hpp"

int main(int argc, char** argv) {
  using namespace stamarker;
  const auto argument = [&](int k, const char* otherwise) {
    return k < argc ? argv[k] : otherwise;
  };
  try {
    const InputOptions options{argument(1, ""), argument(3, "X"), argument(4, "spatial"),
                               argument(5, "")};
    const Dataset data = read_input(options);
    Annotations known = read_annotations(options);
    for (const std::string& name : known.left_out) std::printf("left out: %s\n", name.c_str());
    write_section(argument(2, ""), data, std::move(known.obs), std::move(known.var));
  } catch (const InputError& error) {
    std::printf("InputError: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::printf("not an InputError: %s\n", error.what());
    return 1;
  }
  return 0;
}
