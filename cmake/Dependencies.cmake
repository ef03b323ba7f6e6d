# Every library from outside, each with what to install when it is missing. scripts/install-dependencies has them all.

set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI REQUIRED COMPONENTS C)
set(HDF5_PREFER_PARALLEL ON)
find_package(HDF5 1.10.5 REQUIRED COMPONENTS C)  # H5Dread_chunk; in tests, where chunks lie
if(NOT HDF5_IS_PARALLEL)
  message(FATAL_ERROR "HDF5 was found without MPI support; install libhdf5-openmpi-dev (Debian) or "
                      "set HDF5_ROOT to a build with --enable-parallel")
endif()
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(igraph REQUIRED)        # Louvain, Leiden
find_package(nanoflann REQUIRED)     # neighbours in 2-D and 3-D
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(Threads REQUIRED)

# hnswlib: neighbours in large embeddings. Headers alone; the distance function is ours, chosen by
# the processor at run time, where theirs are chosen when they are compiled.
find_path(HNSWLIB_INCLUDE_DIR hnswlib/hnswlib.h REQUIRED)
add_library(stamarker_hnswlib INTERFACE)
target_include_directories(stamarker_hnswlib SYSTEM INTERFACE ${HNSWLIB_INCLUDE_DIR})
target_compile_definitions(stamarker_hnswlib INTERFACE NO_MANUAL_VECTORIZATION)

# stamarker_plain_library(name header library package): the target stamarker_NAME, of a library that has no CMake file
# everywhere; its folders are found, or given, as NAME_INCLUDE_DIR and NAME_LIBRARY, in capitals.
function(stamarker_plain_library name header library package)
  string(TOUPPER ${name} prefix)
  find_path(${prefix}_INCLUDE_DIR ${header} PATH_SUFFIXES ${name})
  find_library(${prefix}_LIBRARY ${library})
  if(NOT ${prefix}_INCLUDE_DIR OR NOT ${prefix}_LIBRARY)
    message(FATAL_ERROR "${name} was not found; install ${package} (Debian), or add its folder to CMAKE_PREFIX_PATH")
  endif()
  add_library(stamarker_${name} INTERFACE)
  target_include_directories(stamarker_${name} SYSTEM INTERFACE ${${prefix}_INCLUDE_DIR})
  target_link_libraries(stamarker_${name} INTERFACE ${${prefix}_LIBRARY})
endfunction()

# Chunks of HDF5 compressed by gzip, and by lzf as h5py and anndata write them.
stamarker_plain_library(libdeflate libdeflate.h deflate libdeflate-dev)
stamarker_plain_library(liblzf lzf.h lzf liblzf-dev)

# sgemm with kernels chosen by the processor's features (kernels/cpu/gemm_*.cpp): oneDNN's, which elsewhere than on
# x86-64 has but a reference body; there OpenBLAS's, in its OpenMP build, for the sequential one takes one call at a
# time. oneDNN not by find_package: its own CMake file asks for OpenCL headers, which sgemm does not need.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
  set(STM_BLAS onednn)
  find_path(BLAS_INCLUDE_DIR oneapi/dnnl/dnnl.h)
  find_library(BLAS_LIBRARY dnnl)
  set(package libdnnl-dev)
else()
  set(STM_BLAS openblas)
  find_path(BLAS_INCLUDE_DIR openblas_config.h PATH_SUFFIXES openblas-openmp openblas)
  find_library(BLAS_LIBRARY openblas PATH_SUFFIXES openblas-openmp)
  set(package libopenblas-openmp-dev)
endif()
if(NOT BLAS_INCLUDE_DIR OR NOT BLAS_LIBRARY)
  message(FATAL_ERROR "The BLAS of ${CMAKE_SYSTEM_PROCESSOR} (${STM_BLAS}) was not found; install ${package} (Debian) or "
                      "set BLAS_INCLUDE_DIR and BLAS_LIBRARY")
endif()
add_library(stamarker_blas INTERFACE)
target_include_directories(stamarker_blas SYSTEM INTERFACE ${BLAS_INCLUDE_DIR})
target_link_libraries(stamarker_blas INTERFACE ${BLAS_LIBRARY})

add_library(stamarker_mpi INTERFACE)
target_link_libraries(stamarker_mpi INTERFACE MPI::MPI_C)
target_compile_definitions(stamarker_mpi INTERFACE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)

add_library(stamarker_hdf5 INTERFACE)
target_include_directories(stamarker_hdf5 SYSTEM INTERFACE ${HDF5_INCLUDE_DIRS})
target_link_libraries(stamarker_hdf5 INTERFACE ${HDF5_LIBRARIES} stamarker_mpi)

# Warnings and sanitizers for our own sources only.
add_library(stamarker_flags INTERFACE)
target_compile_options(stamarker_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wpedantic $<$<BOOL:${STM_WERROR}>:-Werror>>)
if(STM_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=address,undefined>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=null,alignment>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=address,undefined)
  # To look at each reference is a fifth of the time to compile, a third with Eigen, which passes everything so. What
  # lies behind it AddressSanitizer sees; kernels, which reach into memory as another type, are looked at.
  set(STM_REFERENCE_CHECKS -fsanitize=null,alignment)
endif()

# How tests start ranks. Open MPI has to be told that root may, that ranks may be more than cores and bound to none, that
# a waiting rank gives its core away, and to say nothing itself of exit codes; MPICH and its kin need no such words.
set(STM_MPIRUN ${MPIEXEC_EXECUTABLE})
execute_process(COMMAND ${MPIEXEC_EXECUTABLE} --version OUTPUT_VARIABLE launcher ERROR_QUIET)
if(launcher MATCHES "Open MPI|OpenRTE")
  list(APPEND STM_MPIRUN --allow-run-as-root --oversubscribe --bind-to none --mca mpi_yield_when_idle 1
    --quiet)
endif()

# CUDA: machine code for sm_80 (A100), sm_90a (H100, H200), sm_100 (B200), and PTX that drivers compile
# for what comes after. The runtime is linked in, so that one binary starts where no driver is.
if(STM_CUDA)
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(CMAKE_CUDA_COMPILER nvcc PATHS /usr/local/cuda/bin REQUIRED)
  endif()
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # CMake before 3.26 does not know nvcc 13's
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  find_package(CUDAToolkit REQUIRED)
  # NCCL itself is loaded where several GPUs train one section.
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} REQUIRED)
  target_compile_options(stamarker_flags INTERFACE
    "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-lineinfo;-Xcompiler=-Wall,-Wextra>"
    "$<$<COMPILE_LANGUAGE:CUDA>:-gencode=arch=compute_80,code=[compute_80,sm_80]>"
    "$<$<COMPILE_LANGUAGE:CUDA>:-gencode=arch=compute_90a,code=sm_90a>"
    "$<$<COMPILE_LANGUAGE:CUDA>:-gencode=arch=compute_100,code=sm_100>"
    "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${STM_WERROR}>>:-Werror=all-warnings>")
  add_library(stamarker_cuda INTERFACE)
  target_include_directories(stamarker_cuda SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS} ${NCCL_INCLUDE_DIR})
  target_link_libraries(stamarker_cuda INTERFACE CUDA::cudart_static CUDA::cublas CUDA::cusparse ${CMAKE_DL_LIBS})
endif()
