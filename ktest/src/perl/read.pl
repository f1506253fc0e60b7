# SPDX-License-Identifier: MIT OR Apache-2.0
# Reads a configuration with the ktest.pl of the tree itself, so that INCLUDE, IF, variables and OVERRIDE mean what they
# mean there, in that release: read.pl KTEST.PL CONF OUT
#
# What runs is ktest.pl up to the line that reads its configuration, then its own reader, then what is below: every option,
# with the file and line that set it last, as fields that each end in a NUL.
use strict;

my ($ktest, $conf, $out) = @ARGV;
@ARGV = ($conf);
open(my $in, '<', $ktest) or die "open $ktest: $!\n";
my $text = do { local $/; <$in> };
close($in);
my $cut = index($text, "\nread_config \$ktest_config;\n");
die "this tree's ktest.pl reads its configuration in a way that is not known here\n"
    if ($cut < 0 || $text !~ /^sub __read_config \{/m || $text !~ /^sub set_value \{/m);
# Before 4.18 or so the name is not passed.
my $named = $text =~ /^sub eval_option \{\s*my \(\$name,/m ? 1 : 0;

$text = substr($text, 0, $cut) . <<"END" . <<'END';

my \$asked_out = "\Q$out\E";
my \$asked_named = $named;
END

{
    no warnings;
    my (%where, @records);
    my ($value, $eval) = (\&set_value, \&set_eval);
    # The name of the file is the last argument; the line is that of the handle read last.
    *set_value = sub { $where{$_[0]} = [$_[-1], $.]; goto &$value; };
    *set_eval = sub { push @{$where{"$_[0] =~"}}, [$_[-1], $.]; goto &$eval; };
    my $tests = 0;
    __read_config($ktest_config, \$tests);
    my $record = sub { push @records, map { defined($_) ? $_ : "" } @_; };
    $record->("tests", "", $tests, "", 0);
    foreach my $name (sort keys %opt) {
        next if ($name eq "NUM_TESTS" && !$where{$name});
        my $plain = $name;
        my $kind = $plain =~ s/\[.*\]// ? "test" : "option";
        my $known = exists($option_map{$plain}) || exists($default{$plain}) || exists($used_options{$plain});
        $kind = "unused" if ($kind eq "option" && !$known);
        $record->($kind, $name, $opt{$name}, @{$where{$name} || ["", 0]});
    }
    foreach my $name (sort keys %evals) {
        my $number = 0;
        foreach my $change (@{$evals{$name}}) {
            my $kind = $name =~ /\[/ ? "test" : "change";
            $record->($kind, $name, $change, @{$where{"$name =~"}[$number++] || ["", 0]});
        }
    }
    foreach my $name (keys %default) {
        $opt{$name} = $default{$name} if (!defined($opt{$name}) && defined($default{$name}));
    }
    my $final = sub {
        my ($name) = @_;
        return undef if (!defined($opt{$name}) || $opt{$name} =~ /^\s*$/);
        return $asked_named ? eval_option($name, $opt{$name}, 0) : eval_option($opt{$name}, 0);
    };
    my ($user, $box) = ($final->("SSH_USER"), $final->("MACHINE"));
    foreach my $name ("MACHINE", "SSH_USER", "SSH_EXEC", "SCP_TO_TARGET", "MIN_CONFIG", "ADD_CONFIG") {
        my $said = $final->($name);
        next if (!defined($said));
        # As run_command() does.
        $said =~ s/\$SSH_USER/$user/g if (defined($user));
        $said =~ s/\$MACHINE/$box/g if (defined($box));
        $record->("final", $name, $said, "", 0);
    }
    open(my $to, '>', $asked_out) or die "write $asked_out: $!\n";
    print $to map { "$_\0" } @records;
    close($to) or die "write $asked_out: $!\n";
}
END
eval $text;
die $@ if ($@);
