#include <gtest/gtest.h>

#include "base/text.hpp"

namespace stamarker {
namespace {

TEST(Text, CountAgreesWithItsNoun) {
  EXPECT_EQ(counted(0, "rank"), "0 ranks");
  EXPECT_EQ(counted(1, "rank"), "1 rank");
  EXPECT_EQ(counted(2, "rank"), "2 ranks");
  EXPECT_EQ(counted(1, "entry", "entries"), "1 entry");
  EXPECT_EQ(counted(21, "entry", "entries"), "21 entries");
}

TEST(Text, ReadableKeepsCharactersAndEscapesControlsAndBytesOutsideUtf8) {
  EXPECT_EQ(readable("o \\ \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "o \\ \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(readable("a\tb\x1b[1m\x7f\n"), "a\\x09b\\x1b[1m\\x7f\\x0a");
  EXPECT_EQ(readable("o_\xe9"), "o_\\xe9");
  EXPECT_EQ(readable("\xc2\x9b"), "\\xc2\\x9b");           // a C1 control
  EXPECT_EQ(readable("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(readable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");  // overlong
  EXPECT_EQ(readable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(readable("\xe2\x82"), "\\xe2\\x82");           // cut short
  EXPECT_EQ(readable("\xf5\x80\x80\x80!"), "\\xf5\\x80\\x80\\x80!");
}

TEST(Text, ReadableEscapesWhatTurnsTheDirectionOfALine) {
  EXPECT_EQ(readable("a\u202eb\u2069\u2028"), "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa9\\xe2\\x80\\xa8");
  EXPECT_EQ(readable("\u2027\u202f\u2065\u206a"), "\u2027\u202f\u2065\u206a");
}

TEST(Text, ReadableLinesKeepTheirEnds) {
  EXPECT_EQ(readable_lines("\na\tb\n\x1b[1mc\n"), "\na\\x09b\n\\x1b[1mc\n");
  EXPECT_EQ(readable_lines("a"), "a");
}

TEST(Text, RepairedHasAReplacementCharacterForEachByteOutsideUtf8) {
  EXPECT_EQ(repaired("caf\xe9 \xc3\xa9\t\xe2\x82"), "caf\ufffd \xc3\xa9\t\ufffd\ufffd");
}

}  // namespace
}  // namespace stamarker
