import ArgumentParser
import Dispatch
import Glibc
import Server
import Synchronization
import Wire

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a node.",
        discussion: """
            Example: martlet serve --data /srv/martlet --tls on

            Each option is also a variable (MARTLET_WEB) and a line of the configuration file (web = 127.0.0.1:8080),
            which is DATA/martlet.conf or what --config names. The first administrator is 'admin'; the password is taken
            from MARTLET_ADMIN_PASSWORD, or generated and shown once.
            """)

    @OptionGroup var settings: NodeSettings

    @Flag(help: "Print one line of JSON when the node is ready.")
    var json = false

    func run() async throws {
        let signals = Signals()
        let node = try await Node.start(try settings.configuration())
        if json {
            Console.json {
                $0.member("event", "ready")
                $0.member("web", node.webURL)
                $0.member("s3", node.s3URL)
                if !node.directoryURLs.isEmpty {
                    $0.member("ldap", node.directoryURLs)
                    $0.member("ldapBase", node.directoryBase)
                }
                if let url = node.stompURL { $0.member("stomp", url) }
                if let file = node.authorityFile { $0.member("authority", file) }
                if let password = node.generatedPassword { $0.member("adminPassword", password) }
            }
        } else {
            Console.write("Console and APIs:  \(node.webURL)")
            Console.write("S3:                \(node.s3URL)")
            for url in node.directoryURLs { Console.write("Directory:         \(url)  base \(node.directoryBase)") }
            if let url = node.stompURL { Console.write("STOMP:             \(url)") }
            if let file = node.authorityFile { Console.write("Certificate to trust: \(file)") }
            if let password = node.generatedPassword {
                Console.write("Administrator:     admin, password \(password) (shown only now)")
            }
        }
        await signals.wait()
        try await node.stop()
    }
}

/// The options of a node.
struct NodeSettings: ParsableArguments {
    @Option(help: "Folder for keys, metadata and blobs.") var data: String?
    @Option(help: "Where the master key is: file:PATH, credential:NAME or pkcs11:… (default DATA/master.key).")
    var masterKey: String?
    @Option(help: "HOST:PORT of the web port (default 127.0.0.1:8080).") var web: String?
    @Option(help: "HOST:PORT of the S3 port (default 127.0.0.1:9000).") var s3: String?
    @Option(help: "HOST:PORT of the LDAP directory, with StartTLS (default: none; 127.0.0.1:3890 is usual).")
    var ldap: String?
    @Option(help: "HOST:PORT of the LDAP directory over TLS (default: none; 127.0.0.1:6360 is usual).")
    var ldaps: String?
    @Option(help: "HOST:PORT of notifications over STOMP (default: none; 127.0.0.1:61613 is usual).")
    var stomp: String?
    @Option(help: "Name at the top of the directory (default: of --web-url's host, or dc=martlet).")
    var ldapBase: String?
    @Option(help: "sqlite, or postgres://USER@HOST/NAME (default sqlite).") var metadata: String?
    @Option(help: "Folder, or s3://ACCESS:SECRET@HOST/BUCKET/PREFIX (default DATA/blobs).") var blobs: String?
    @Option(help: "NAME=PLACE …: blob stores of further storage classes, each as --blobs.")
    var storageClasses: String?
    @Flag(help: "Serve TLS with certificates of the node's own authority.") var tls = false
    @Option(help: "File with a certificate chain (PEM), instead of the node's own.") var tlsCertificate: String?
    @Option(help: "File with its key (PEM).") var tlsKey: String?
    @Option(
        help:
            "File with authorities (PEM) whose client certificates count beside those of the node's own; may be repeated. off: none are asked for."
    ) var clientCertificates: [String] = []
    @Option(
        name: .customLong("trace-authorities"),
        help:
            "File with authorities (PEM) whose holders' signatures of traces count beside those of the node's own; may be repeated."
    ) var traceAuthorities: [String] = []
    @Option(
        help:
            "File with witnesses that cosign the log of traces, and logs that this node witnesses (C2SP tlog-policy)."
    ) var logPolicy: String?
    @Option(help: "Address of an authority that signs when the log's checkpoints were there (RFC 3161).")
    var timestampAuthority: String?
    @Option(help: "Seconds between two such signatures (default 60).") var timestampSeconds: String?
    @Option(
        help:
            "Network of a proxy that ends TLS before the node and tells of client certificates by Client-Cert (RFC 9440), such as 10.0.0.5; may be repeated."
    ) var certificateProxies: [String] = []
    @Option(help: "Trust domain of the SPIFFE ids in certificates (default: the host of --web-url, or this machine).")
    var trustDomain: String?
    @Option(
        name: .customLong("ca-url"), help: "Address at which revocations are asked for, http://… (default: --web-url).")
    var caURL: String?
    @Option(help: "Network in which hosts may get certificates by ACME, such as 10.0.0.0/8; may be repeated.")
    var acmeNetworks: [String] = []
    @Option(
        name: .customLong("acme-http-port"),
        help: "Port at which hosts are asked for the answer to a challenge (default 80).")
    var acmeHTTPPort: String?
    @Option(
        name: .customLong("acme-tls-port"),
        help: "Port at which hosts are asked for the challenge tls-alpn-01 (default 443).")
    var acmeTLSPort: String?
    @Option(help: "HOST:PORT of the name server that is asked for the challenge dns-01, over TCP (default: none).")
    var acmeResolver: String?
    @Option(name: .customLong("web-url"), help: "Address under which clients reach the web port.") var webURL: String?
    @Option(name: .customLong("s3-url"), help: "Address under which clients reach the S3 port.") var s3URL: String?
    @Option(
        name: .customLong("asset-url"), help: "Address by which the node's own items name objects (default: --s3-url).")
    var assetURL: String?
    @Option(
        name: .customLong("s3-alias"),
        help:
            "Further address by which items and requests name objects, such as https://data.example.org; may be repeated."
    ) var s3Alias: [String] = []
    @Option(
        name: .customLong("s3-domain"),
        help: "Name below which buckets have host names; may be repeated (default: that of the S3 address, localhost).")
    var s3Domain: [String] = []
    @Option(help: "ENDING,…=PROGRAM …: programs that describe files with these endings (default: none).")
    var describers: String?
    @Option(help: "Quiet seconds after which a product counts as complete (default 5).") var settleSeconds: String?
    @Option(help: "Seconds for which what was replaced or removed is kept (default 60).") var historySeconds: String?
    @Option(help: "Seconds between two writings of buckets' access logs (default 60).") var accessLogSeconds: String?
    @Option(help: "Seconds between two sealings of the audit trail in the log of traces (default 60).")
    var auditSeconds: String?
    @Option(help: "Days that the audit trail is kept (default: for ever).") var auditDays: String?
    @Option(help: "Length of a day of lifecycle rules, to try them out (default 86400).")
    var lifecycleDaySeconds: String?
    @Flag(help: "Start although this machine's clock is more than a day behind the journal.") var acceptClock = false
    @Option(help: "Bytes a second that are read to find damage, 0 for none (default 8388608).") var scrubRate: String?
    @Option(help: "Socket or HOST:PORT of ClamAV's clamd, which scans new objects (default: none).") var clamd: String?
    @Option(help: "What becomes of infected objects: off, tag, quarantine or refuse (default quarantine).")
    var scanPolicy: String?
    @Option(help: "Longer objects are not scanned (default 26214400).") var scanBytesMax: String?
    @Option(help: "smtp://USER:PASSWORD@HOST:PORT (STARTTLS) or smtps://…: the server for letters (default: none).")
    var smtp: String?
    @Option(help: "File with the certificates by which the mail server is known (default: the system's).")
    var smtpAuthority: String?
    @Option(help: "Address that letters are from (default: martlet@ and --web-url's host).") var mailFrom: String?
    @Option(help: "Whether people register themselves: off, approval or open (default off).") var registration: String?
    @Option(help: "Days before an account, a signature or a certificate ends for a letter (default 14; 0: none).")
    var remindDays: String?
    @Option(help: "Days after the end of an account until it is removed (default 90; 0: never).")
    var removeDays: String?
    @Option(help: "Seconds for the head of a request (default 20).") var headerSeconds: String?
    @Option(help: "Seconds that a connection may wait for its next request (default 75).") var idleSeconds: String?
    @Option(help: "Seconds over which the speed of clients is looked at (default 30).") var slowSeconds: String?
    @Option(help: "Bytes a second that they have to reach in that time (default 500).") var slowRate: String?
    @Option(help: "Connections at once (default 20000).") var connectionsMax: String?
    @Option(help: "Requests a second from one address (default 5000; 0: no limit).") var ratePerAddress: String?
    @Option(help: "Requests a second of one account or session (default 0: no limit).") var ratePerPrincipal: String?
    @Option(help: "Configuration file (default DATA/martlet.conf).") var config: String?

    func configuration() throws -> Configuration {
        var flags: [String: String] = [:]
        flags["data"] = data
        flags["master-key"] = masterKey
        flags["web"] = web
        flags["s3"] = s3
        flags["ldap"] = ldap
        flags["ldaps"] = ldaps
        flags["stomp"] = stomp
        flags["ldap-base"] = ldapBase
        flags["metadata"] = metadata
        flags["blobs"] = blobs
        flags["storage-classes"] = storageClasses
        flags["tls"] = tls ? "on" : nil
        flags["tls-certificate"] = tlsCertificate
        flags["tls-key"] = tlsKey
        flags["client-certificates"] = clientCertificates.isEmpty ? nil : clientCertificates.joined(separator: ",")
        flags["trace-authorities"] = traceAuthorities.isEmpty ? nil : traceAuthorities.joined(separator: ",")
        flags["log-policy"] = logPolicy
        flags["timestamp-authority"] = timestampAuthority
        flags["timestamp-seconds"] = timestampSeconds
        flags["trust-domain"] = trustDomain
        flags["ca-url"] = caURL
        flags["certificate-proxies"] = certificateProxies.isEmpty ? nil : certificateProxies.joined(separator: ",")
        flags["acme-networks"] = acmeNetworks.isEmpty ? nil : acmeNetworks.joined(separator: ",")
        flags["acme-http-port"] = acmeHTTPPort
        flags["acme-tls-port"] = acmeTLSPort
        flags["acme-resolver"] = acmeResolver
        flags["web-url"] = webURL
        flags["s3-url"] = s3URL
        flags["asset-url"] = assetURL
        flags["s3-alias"] = s3Alias.isEmpty ? nil : s3Alias.joined(separator: ",")
        flags["s3-domain"] = s3Domain.isEmpty ? nil : s3Domain.joined(separator: ",")
        flags["describers"] = describers
        flags["settle-seconds"] = settleSeconds
        flags["history-seconds"] = historySeconds
        flags["access-log-seconds"] = accessLogSeconds
        flags["audit-seconds"] = auditSeconds
        flags["audit-days"] = auditDays
        flags["lifecycle-day-seconds"] = lifecycleDaySeconds
        flags["accept-clock"] = acceptClock ? "on" : nil
        flags["scrub-rate"] = scrubRate
        flags["clamd"] = clamd
        flags["scan-policy"] = scanPolicy
        flags["scan-bytes-max"] = scanBytesMax
        flags["smtp"] = smtp
        flags["smtp-authority"] = smtpAuthority
        flags["mail-from"] = mailFrom
        flags["registration"] = registration
        flags["remind-days"] = remindDays
        flags["remove-days"] = removeDays
        flags["header-seconds"] = headerSeconds
        flags["idle-seconds"] = idleSeconds
        flags["slow-seconds"] = slowSeconds
        flags["slow-rate"] = slowRate
        flags["connections-max"] = connectionsMax
        flags["rate-per-address"] = ratePerAddress
        flags["rate-per-principal"] = ratePerPrincipal
        return try Configuration(flags: flags, environment: Environment.all, file: config)
    }
}

enum Environment {
    static var all: [String: String] {
        var out: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { out[String(pair[0])] = String(pair[1]) }
            entry += 1
        }
        return out
    }
}

/// The signals that ask a program to end. Made before anything is started, so that none is missed.
///
/// Sendable by hand: the sources are only held, never used, once they were made.
final class Signals: @unchecked Sendable {
    private struct State {
        var count = 0
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private var sources: [any DispatchSourceSignal] = []

    init() {
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: .global())
        }
        for source in sources {
            source.setEventHandler { [weak self] in self?.came() }
            source.resume()
        }
    }

    private func came() {
        let (waiting, isSecond) = state.withLock { state in
            state.count += 1
            defer { state.waiting = nil }
            return (state.waiting, state.count > 1)
        }
        // A second one ends at once.
        if isSecond { Glibc.exit(130) }
        waiting?.resume()
    }

    /// Returns when one has come.
    func wait() async {
        await withCheckedContinuation { continuation in
            let came = state.withLock { state in
                if state.count == 0 { state.waiting = continuation }
                return state.count > 0
            }
            if came { continuation.resume() }
        }
    }
}
