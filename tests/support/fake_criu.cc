#include "support/fake_criu.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "support/programs.h"

namespace berth::test {

namespace {

/// Speaks the messages of CRIU's rpc.proto, in an implementation of their encoding that is not the runtime's.
constexpr const char* kProgram = R"perl(#!/usr/bin/perl
use strict;
use warnings;
use IO::Handle;

my $mode = $ENV{FAKE_CRIU} // '';
open(my $record, '>>', $ENV{FAKE_CRIU_RECORD}) or die $!;
$record->autoflush(1);
$ARGV[0] eq 'swrk' or die "not swrk: @ARGV";
open(my $socket, '+<&=', $ARGV[1]) or die $!;

my %names = (1 => 'images', 2 => 'pid', 3 => 'leave_running', 4 => 'ext_unix_sk', 5 => 'tcp_established',
  6 => 'evasive_devices', 7 => 'shell_job', 8 => 'file_locks', 9 => 'log_level', 10 => 'log_file', 11 => 'ps',
  12 => 'notify_scripts', 13 => 'root', 14 => 'parent_img', 15 => 'track_mem', 16 => 'auto_dedup', 17 => 'work',
  18 => 'link_remap', 24 => 'manage_cgroups', 25 => 'cg_root', 26 => 'rst_sibling', 27 => 'inherit_fd',
  34 => 'manage_cgroups_mode', 37 => 'external', 38 => 'empty_ns', 39 => 'join_ns', 44 => 'freeze_cgroup',
  46 => 'tcp_skip_in_flight', 48 => 'lazy_pages', 50 => 'orphan_pts_master', 51 => 'config_file',
  53 => 'lsm_profile', 63 => 'lsm_mount_context');
my %tasks = (1 => 'dump', 2 => 'restore', 4 => 'pre-dump');
my %nested = map { $_ => 1 } (11, 25, 27, 39);

sub varint {
  my ($bytes) = @_;
  my ($value, $shift) = (0, 0);
  while (1) {
    my $byte = ord(substr($$bytes, 0, 1, ''));
    $value |= ($byte & 127) << $shift;
    return $value unless $byte & 128;
    $shift += 7;
  }
}
sub decode {
  my ($bytes) = @_;
  my @fields;
  while (length $bytes) {
    my $key = varint(\$bytes);
    my $value = ($key & 7) == 0 ? varint(\$bytes) : substr($bytes, 0, varint(\$bytes), '');
    push @fields, [$key >> 3, $value];
  }
  return @fields;
}
sub encoded { my ($v) = @_; my $b = ''; while ($v > 127) { $b .= chr(($v & 127) | 128); $v >>= 7; } $b . chr($v) }
sub number { my ($field, $value) = @_; encoded($field << 3) . encoded($value) }
sub text { my ($field, $value) = @_; encoded($field << 3 | 2) . encoded(length $value) . $value }
sub answer { syswrite($socket, $_[0]) // exit 0 }
sub ask { sysread($socket, my $bytes, 65536) or exit 0; map { $_->[0] => $_->[1] } decode($bytes) }
sub notify {
  my ($name, $pid) = @_;
  answer(number(1, 6) . number(2, 1) . text(5, text(1, $name) . number(2, $pid)));
  my %reply = ask();
  my $accepted = $reply{3} ? 'accepted' : 'refused';
  print $record "notify $name $accepted\n";
  return $reply{3};
}

while (1) {
  my %request = ask();
  if ($request{1} == 10) {
    answer(number(1, 10) . number(2, 1) . text(10, number(1, 3) . number(2, $mode eq 'old' ? 11 : 17)));
    next;
  }
  if ($request{1} == 9) {
    print $record "features ", join(' ', map { $_->[0] } decode($request{5})), "\n";
    answer(number(1, 9) . number(2, 1) . ($mode eq 'poor' ? '' : text(8, number(1, 1) . number(2, 1))));
    next;
  }
  exit 7 if $mode eq 'die';
  my $type = $request{1};
  my %option;
  print $record $tasks{$type}, "\n";
  for my $field (decode($request{2})) {
    my ($id, $value) = @$field;
    my $name = $names{$id} // "unknown $id";
    $value = readlink('/proc/' . getppid() . "/fd/$value") if $name eq 'images' || $name eq 'work';
    $value = join(' ', map { $_->[1] } decode($value)) if $nested{$id};
    $option{$name} = $value;
    print $record "$name=$value\n";
  }
  my $directory = $option{work} // $option{images};
  if ($mode eq 'fail') {
    open(my $log, '>', "$directory/$option{log_file}") or die $!;
    print $log "(00.01) Error (criu/fake.c:1): this is the reason\n(00.02) Error (criu/cr-dump.c:2): Dumping FAILED.\n";
    close $log;
    answer(number(1, $type) . number(2, 0) . number(7, 17));
    next;
  }
  if ($type != 2) {
    notify('status-ready', 0) if $option{lazy_pages};
    notify('post-dump', $option{pid});
    kill 'KILL', $option{pid} if $type == 1 && !$option{leave_running};
    answer(number(1, $type) . number(2, 1));
    next;
  }
  open(my $mounts, '<', '/proc/self/mountinfo') or die $!;
  print $record "mounted root\n" if grep { (split / /)[4] eq $option{root} } <$mounts>;
  print $record "has $_\n" for grep { -e "$option{root}$_" } split(/:/, $ENV{FAKE_CRIU_LOOK} // '');
  open(my $groups, '<', '/proc/self/cgroup') or die $!;
  print $record "group $_" for grep { /restored/ } <$groups>;
  my $pid = fork();
  if ($pid == 0) {
    open(STDIN, '<', '/dev/null');
    open(STDOUT, '>', '/dev/null');
    open(STDERR, '>', '/dev/null');
    exec('/bin/sleep', '1000');
  }
  my $accepted = notify('setup-namespaces', $pid) && notify('post-restore', $pid);
  kill 'KILL', $pid unless $accepted;
  answer(number(1, 2) . number(2, $accepted ? 1 : 0) . text(4, number(1, $pid)));
}
)perl";

}  // namespace

void FakeCriu::SetUp() {
  ContainerSandbox::SetUp();
  if (IsSkipped()) return;
  if (!exists("/usr/bin/perl")) GTEST_SKIP() << "perl is not installed";
  const auto program = write("bin/criu", kProgram);
  ::chmod(program.c_str(), 0755);
}

base::CommandResult FakeCriu::call(const std::vector<std::string>& words, const std::string& mode) const {
  RunOptions options;
  options.env = {{"PATH", scratch() + "/bin:/usr/sbin:/usr/bin"},
                 {"FAKE_CRIU", mode},
                 {"FAKE_CRIU_RECORD", record()},
                 {"FAKE_CRIU_LOOK", "/proc:/bound/inner:/dev/shm:/new"}};
  return run(berth_command(words), options);
}

std::string FakeCriu::must_call(const std::vector<std::string>& words, const std::string& mode) const {
  const auto result = call(words, mode);
  EXPECT_TRUE(result.ok()) << words.front() << ": " << result.status_text() << "\n" << result.error;
  return result.output;
}

void FakeCriu::expect_refused(const std::vector<std::string>& words, const std::string& message,
                              const std::string& mode) const {
  const auto result = call(words, mode);
  EXPECT_EQ(1, result.exit_status) << words.front();
  EXPECT_THAT(result.error, ::testing::HasSubstr(message)) << words.front();
  EXPECT_EQ("", result.output);
}

std::vector<std::string> FakeCriu::asked() const {
  if (!exists(record())) return {};
  const auto lines = base::split(base::read_file(record()), '\n');
  ::unlink(record().c_str());
  return lines;
}

}  // namespace berth::test
