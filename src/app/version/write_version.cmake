# Writes OUTPUT from INPUT with the version and the commit of the sources, at every build; the file changes, and is
# compiled, only when they do.
execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --exclude=* --abbrev=10 --dirty=+
  OUTPUT_VARIABLE STM_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failure)
if(failure)
  set(STM_COMMIT unknown)
endif()
configure_file(${INPUT} ${OUTPUT} @ONLY)
