# A web service that has nothing in common with timber: another language, another
# port, other paths, and it is told by its environment what to say.
use strict;
use warnings;
use IO::Socket::INET;

my $greeting = $ENV{GREETING} // die "GREETING is not set\n";
$SIG{TERM} = sub { exit 0 };
$SIG{CHLD} = 'IGNORE';

my $server = IO::Socket::INET->new(LocalPort => 3000, Listen => 128, ReuseAddr => 1) or die "listen on port 3000: $@\n";
while (1) {
    my $client = $server->accept or next;
    if (my $child = fork) {
        close $client;
        next;
    }
    alarm 10;
    my $path = (<$client> // '') =~ m{^GET (\S+) HTTP/1\.} ? $1 : '';
    while (my $line = <$client>) { last if $line =~ /^\r?\n$/ }
    my ($status, $body) = $path eq '/' ? ('200 OK', "$greeting\n")
        : $path eq '/health' ? ('200 OK', "healthy\n")
        : ('404 Not Found', "not here\n");
    print $client "HTTP/1.1 $status\r\nContent-Type: text/plain\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
    close $client;
    exit 0;
}
