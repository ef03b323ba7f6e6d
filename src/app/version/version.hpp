#pragma once

namespace stamarker {

extern const char* const version;  // "0.1.0"
extern const char* const commit;   // short hash, with "+" when files were changed; or "unknown"

}  // namespace stamarker
