package import Authority
package import BucketConfiguration
import Glibc
package import HTTPSupport
package import IAMPolicy
package import Identity
package import LDAPAPI
package import Objects
package import SMTP
package import SigV4
import Workers

/// What a node is told when it starts. Each setting has one name, which is a flag (`--s3-url`), a variable of the
/// environment (`MARTLET_S3_URL`) and a line of the configuration file (`s3-url = …`); the first of these that is there
/// counts.
package struct Configuration: Sendable {
    /// Where listeners listen.
    package struct Address: Sendable, Equatable {
        package var host: String
        package var port: Int

        /// Reads `HOST:PORT`, `[::1]:PORT`, or `:PORT` for all interfaces. Port 0 lets the system choose.
        package init(_ text: String, name: String) throws {
            guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
                (0...65_535).contains(port)
            else { throw ConfigurationError("\(name) is HOST:PORT, such as 127.0.0.1:8080, not '\(text)'") }
            let host = text[..<colon]
            self.host =
                host.isEmpty ? "0.0.0.0" : host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : String(host)
            self.port = port
        }
    }

    package enum TLS: Sendable, Equatable {
        case off
        /// Certificates of the node's own authority.
        case own
        case files(certificate: String, key: String)
    }

    package var data: String
    /// Where the master key is: `file:PATH`, `credential:NAME` or a `pkcs11:` URI.
    package var masterKey: String
    /// Systemd's folder of credentials.
    package var credentials: String?
    package var web: Address
    package var s3: Address
    /// Where the directory listens, for connections that begin without and with TLS; nil for nowhere.
    package var ldap: Address?
    package var ldaps: Address?
    package var stomp: Address?
    /// The name at the top of the directory.
    package var directory: DirectoryTree
    /// `sqlite`, or the URL of a PostgreSQL database.
    package var metadata: String
    /// A folder, or `s3://…`. Nil for `DATA/blobs`.
    package var blobs: String?
    /// Further blob stores, by the storage class whose objects go there: each a folder, or `s3://…`.
    package var storageClasses: [(name: StorageClass, place: String)]
    /// For `s3://…` without credentials: those that every S3 client takes from the environment.
    package var blobCredentials: Credentials?
    package var tls: TLS
    /// Files with authorities (PEM) whose certificates clients may log in with; nil where none are asked for.
    package var clientCertificates: [String]?
    /// Files with authorities whose holders' signatures of traces count beside those of the node's own.
    package var traceAuthorities: [String]
    /// File with the logs that the node witnesses, and the witnesses of its own (C2SP tlog-policy).
    package var logPolicy: String?
    /// Address of a time-stamping authority (RFC 3161) for the log's checkpoints; nil for none.
    package var timestampAuthority: String?
    package var timestampSeconds: Int64
    /// Proxies that are believed which client certificate they were shown.
    package var certificateProxies: [IPNetwork]
    package var authority: AuthoritySettings
    /// Networks in which ACME's challenges are looked for, and at which port.
    package var acmeNetworks: [IPNetwork]
    package var acmePort: Int
    package var acmeTLSPort: Int
    /// Who is asked for TXT records; nil: nobody.
    package var acmeResolver: Address?
    /// Under which address clients reach the web port and the S3 port, where that is not what they listen on.
    package var webURL: String?
    package var s3URL: String?
    /// What items name objects by, where that is not where clients reach the S3 port.
    package var assetURL: String?
    /// Further addresses by which requests and items may name objects.
    package var s3Aliases: [String]
    /// Names below which each bucket has a host name of its own.
    package var s3Domains: [String]
    /// Seconds without a change after which a product without a list of its files counts as complete.
    package var settleSeconds: Int64
    /// Programs that describe files, by the endings of names.
    package var describers: [(suffixes: Set<String>, program: String)]
    /// Seconds for which what was replaced or removed stays readable; then its bytes are deleted.
    package var historySeconds: Int64
    /// How long a day of lifecycle rules is: for those who try rules out.
    package var lifecycleDaySeconds: Int64
    /// How often the audit trail is sealed in the log of traces.
    package var auditSeconds: Int64
    /// Days that the audit trail is kept; nil for ever.
    package var auditDays: Int64?
    /// How often the access logs of buckets are written.
    package var accessLogSeconds: Int64
    /// Bytes that are read in a second to find damage; 0 for none.
    package var scrubRate: Int64
    /// Whether to start although the clock is far behind the journal.
    package var acceptsClock: Bool
    /// Where the virus scanner listens; nil for none.
    package var clamd: String?
    package var scanPolicy: ScanPolicy
    package var scanBytesMax: Int64
    /// How people get accounts.
    package var registration: RegistrationMode
    /// How long after its end an account is removed; nil for never.
    package var removeSeconds: Int64?
    /// How long before something ends people get a letter; nil for none.
    package var remindSeconds: Int64?
    /// The mail server that takes letters; nil for none.
    package var smtp: SMTPServer?
    /// A file with the certificates by which the mail server is known; nil for those that the system trusts.
    package var smtpAuthority: String?
    /// From whom letters are.
    package var mailFrom: String?
    package var connectionLimits: ConnectionLimits
    /// Requests a second of one source address and of one principal; 0 for no limit.
    package var ratePerAddress: Int64
    package var ratePerPrincipal: Int64
    /// The first administrator's password; nil lets one be generated.
    package var adminPassword: String?

    /// Every setting, with what it means: the source of the help texts and of the check for unknown names.
    package static let settings: [(name: String, help: String)] = [
        ("data", "folder for keys, metadata and blobs"),
        ("master-key", "file:PATH, credential:NAME or pkcs11:… (default DATA/master.key)"),
        ("web", "HOST:PORT of the web port (default 127.0.0.1:8080)"),
        ("s3", "HOST:PORT of the S3 port (default 127.0.0.1:9000)"),
        ("ldap", "HOST:PORT of the LDAP directory, with StartTLS (default: none; 127.0.0.1:3890 is usual)"),
        ("ldaps", "HOST:PORT of the LDAP directory over TLS (default: none; 127.0.0.1:6360 is usual)"),
        ("stomp", "HOST:PORT of notifications over STOMP (default: none; 127.0.0.1:61613 is usual)"),
        (
            "ldap-base",
            "name at the top of the directory (default: of web-url's host, dc=example,dc=org; or dc=martlet)"
        ),
        ("metadata", "sqlite, or postgres://USER@HOST/NAME (default sqlite)"),
        ("storage-classes", "NAME=PLACE …: blob stores of further storage classes, each as --blobs"),
        ("blobs", "folder, or s3://ACCESS:SECRET@HOST/BUCKET/PREFIX (default DATA/blobs)"),
        ("tls", "on: serve TLS with certificates of the node's own authority"),
        ("tls-certificate", "file with a certificate chain (PEM), instead of the node's own"),
        ("tls-key", "file with its key (PEM)"),
        (
            "client-certificates",
            "files with authorities (PEM), with commas, whose client certificates count beside those of the node's own; "
                + "off: none are asked for"
        ),
        (
            "trace-authorities",
            "files with authorities (PEM), with commas, whose holders' signatures of traces count beside those of the "
                + "node's own"
        ),
        ("timestamp-authority", "address of an authority that signs when the log's checkpoints were there (RFC 3161)"),
        ("timestamp-seconds", "between two such signatures (default 60)"),
        (
            "log-policy",
            "file with witnesses that cosign the log of traces, and logs that this node witnesses (C2SP tlog-policy)"
        ),
        (
            "certificate-proxies",
            "networks, with commas, of proxies that end TLS before the node and tell of client certificates (default: none)"
        ),
        ("trust-domain", "of the SPIFFE ids in certificates (default: the host of web-url, or of this machine)"),
        ("ca-url", "address at which revocations are asked for, http://… (default: web-url)"),
        ("acme-networks", "networks, with commas, in which hosts may get certificates by ACME (default: none)"),
        ("acme-http-port", "port at which they are asked for the answer to a challenge (default 80)"),
        ("acme-tls-port", "the same for the challenge tls-alpn-01 (default 443)"),
        (
            "acme-resolver",
            "HOST:PORT of the name server that is asked, over TCP, for the challenge dns-01 (default: none)"
        ),
        ("web-url", "address under which clients reach the web port"),
        ("s3-url", "address under which clients reach the S3 port"),
        ("asset-url", "address by which the node's own items name objects (default: s3-url)"),
        (
            "s3-alias",
            "further addresses, with commas, by which items and requests name objects; https://*.HOST has the bucket in its "
                + "host"
        ),
        ("s3-domain", "names, with commas, below which buckets have host names (default: that of s3-url, localhost)"),
        ("describers", "ENDING,…=PROGRAM …: programs that describe files with these endings (default: none)"),
        ("settle-seconds", "quiet time after which a product counts as complete (default 5)"),
        ("history-seconds", "time for which what was replaced or removed can be read and restored (default 60)"),
        ("access-log-seconds", "how often the access logs of buckets are written (default 60)"),
        ("audit-seconds", "how often the audit trail is sealed in the log of traces (default 60)"),
        ("audit-days", "days that the audit trail is kept (default: for ever)"),
        ("lifecycle-day-seconds", "length of a day of lifecycle rules, to try them out (default 86400)"),
        ("accept-clock", "on: start although this machine's clock is more than a day behind the journal"),
        ("scrub-rate", "bytes a second that are read to find damage, 0 for none (default 8388608)"),
        ("clamd", "socket or HOST:PORT of ClamAV's clamd, which scans new objects (default: none)"),
        ("scan-policy", "of infected objects: off, tag, quarantine or refuse (default quarantine)"),
        ("scan-bytes-max", "longer objects are not scanned; clamd's StreamMaxLength (default 26214400)"),
        ("smtp", "smtp://USER:PASSWORD@HOST:PORT (STARTTLS) or smtps://…: the server for letters (default: none)"),
        ("smtp-authority", "file with the certificates by which the mail server is known (default: the system's)"),
        ("mail-from", "address that letters are from (default: martlet@ and web-url's host)"),
        ("registration", "off, approval or open: whether people register themselves (default off)"),
        ("remind-days", "days before an account, a signature or a certificate ends for a letter (default 14; 0: none)"),
        ("remove-days", "days after the end of an account until it is removed (default 90; 0: never)"),
        ("header-seconds", "time for the head of a request (default 20)"),
        ("idle-seconds", "time that a connection may wait for its next request (default 75)"),
        ("slow-seconds", "time over which the speed of clients is looked at (default 30)"),
        ("slow-rate", "bytes a second that they have to reach in that time (default 500)"),
        ("connections-max", "connections at once (default 20000)"),
        ("rate-per-address", "requests a second from one address that is not this machine (default 5000; 0: no limit)"),
        ("rate-per-principal", "requests a second of one account or session (default 0: no limit)"),
    ]

    /// - Parameters:
    ///   - flags: what the command line says, by the settings' names.
    ///   - file: a configuration file; nil takes `DATA/martlet.conf` if it is there.
    /// - Throws: ``ConfigurationError`` naming the setting and what it should be.
    package init(flags: [String: String], environment: [String: String], file: String?) throws {
        func early(_ name: String) -> String? { flags[name] ?? environment[Self.variable(name)] }
        let path = file ?? environment["MARTLET_CONFIG"]
        var lines: [String: String] = [:]
        if let path {
            lines = try Self.read(path)
        } else if let data = early("data"), access(data + "/martlet.conf", R_OK) == 0 {
            lines = try Self.read(data + "/martlet.conf")
        }
        func value(_ name: String) -> String? { early(name) ?? lines[name] }

        guard let data = value("data"), !data.isEmpty else {
            throw ConfigurationError("--data is missing: the folder in which the node keeps everything")
        }
        self.data = Self.absolute(data)
        masterKey = Self.masterKey(value("master-key")) ?? self.data + "/master.key"
        credentials = environment["CREDENTIALS_DIRECTORY"]
        web = try Address(value("web") ?? "127.0.0.1:8080", name: "--web")
        s3 = try Address(value("s3") ?? "127.0.0.1:9000", name: "--s3")
        ldap = try value("ldap").map { try Address($0, name: "--ldap") }
        ldaps = try value("ldaps").map { try Address($0, name: "--ldaps") }
        stomp = try value("stomp").map { try Address($0, name: "--stomp") }
        metadata = value("metadata") ?? "sqlite"
        guard metadata == "sqlite" || metadata.hasPrefix("postgres://") || metadata.hasPrefix("postgresql://") else {
            throw ConfigurationError("--metadata is 'sqlite' or postgres://…, not '\(metadata.prefix(12))…'")
        }
        storageClasses = try Self.storageClasses(value("storage-classes") ?? "")
        blobs = value("blobs").map { $0.hasPrefix("s3://") ? $0 : Self.absolute($0) }
        switch (value("tls-certificate"), value("tls-key")) {
        case (let certificate?, let key?): tls = .files(certificate: certificate, key: key)
        case (nil, nil):
            let text = value("tls") ?? "off"
            tls = text == "own" ? .own : try Self.isOn(text, "tls") ? .own : .off
        default: throw ConfigurationError("--tls-certificate and --tls-key come together")
        }
        switch value("client-certificates") {
        case "off": clientCertificates = nil
        case let files: clientCertificates = (files ?? "").split(separator: ",").map { Self.absolute($0.trimmed) }
        }
        timestampAuthority = value("timestamp-authority")
        guard timestampAuthority.map({ $0.hasPrefix("http://") || $0.hasPrefix("https://") }) != false else {
            throw ConfigurationError("--timestamp-authority is an address, http://… or https://…")
        }
        timestampSeconds = Int64(try number("timestamp-seconds", 60, from: 1, to: 86_400))
        logPolicy = value("log-policy").map { Self.absolute($0) }
        traceAuthorities = (value("trace-authorities") ?? "").split(separator: ",").map { Self.absolute($0.trimmed) }
        webURL = try value("web-url").map { try Self.base($0, "--web-url") }
        s3URL = try value("s3-url").map { try Self.base($0, "--s3-url") }
        assetURL = try value("asset-url").map { try Self.base($0, "--asset-url") }
        s3Aliases = try (value("s3-alias") ?? "").split(separator: ",").map { try Self.base($0.trimmed, "--s3-alias") }
        authority = AuthoritySettings(
            name: "Martlet authority of \(NodeName.host)",
            trustDomain: try Self.trustDomain(value("trust-domain"), webURL: webURL),
            url: try value("ca-url").map { try Self.base($0, "--ca-url") } ?? webURL ?? Self.url(web, tls),
            webURL: webURL ?? Self.url(web, tls))
        acmeNetworks = try Self.networks(value("acme-networks"), "--acme-networks")
        certificateProxies = try Self.networks(value("certificate-proxies"), "--certificate-proxies")
        directory = try Self.directory(value("ldap-base"), webURL: webURL)
        acceptsClock = try Self.isOn(value("accept-clock") ?? "off", "accept-clock")
        describers = try Self.describers(value("describers") ?? "")
        settleSeconds = try Self.seconds(value("settle-seconds") ?? "5", "--settle-seconds", daysMax: 1)
        historySeconds = try Self.seconds(value("history-seconds") ?? "60", "--history-seconds", daysMax: 36_500)
        accessLogSeconds = try Self.seconds(value("access-log-seconds") ?? "60", "--access-log-seconds", daysMax: 1)
        auditSeconds = max(1, try Self.seconds(value("audit-seconds") ?? "60", "--audit-seconds", daysMax: 1))
        lifecycleDaySeconds = try Self.seconds(
            value("lifecycle-day-seconds") ?? "86400", "--lifecycle-day-seconds", daysMax: 1)
        guard lifecycleDaySeconds > 0 else { throw ConfigurationError("--lifecycle-day-seconds is at least 1") }
        let rate = value("scrub-rate") ?? String(Scrubber.bytesPerSecondDefault)
        guard let scrubRate = Int64(rate), scrubRate >= 0 else {
            throw ConfigurationError("--scrub-rate is a number of bytes a second, or 0, not '\(rate.prefix(40))'")
        }
        self.scrubRate = scrubRate
        s3Domains = try Self.domains(value("s3-domain"), s3URL: s3URL)
        var limits = ConnectionLimits()
        func number(_ name: String, _ standard: Int64, from: Int64 = 1, to: Int64) throws -> Int64 {
            guard let text = value(name) else { return standard }
            guard let number = Int64(text), (from...to).contains(number) else {
                throw ConfigurationError("--\(name) is a number from \(from) to \(to), not '\(text.prefix(40))'")
            }
            return number
        }
        limits.headerSeconds = try number("header-seconds", limits.headerSeconds, to: 3600)
        limits.idleSeconds = try number("idle-seconds", limits.idleSeconds, to: 86_400)
        limits.slowSeconds = try number("slow-seconds", limits.slowSeconds, to: 3600)
        limits.slowRate = try number("slow-rate", limits.slowRate, from: 0, to: 1 << 20)
        auditDays = value("audit-days") == nil ? nil : try number("audit-days", 1, to: 36_500)
        acmePort = Int(try number("acme-http-port", 80, to: 65_535))
        acmeTLSPort = Int(try number("acme-tls-port", 443, to: 65_535))
        acmeResolver = try value("acme-resolver").map { try Address($0, name: "--acme-resolver") }
        limits.connectionsMax = Int(
            try number("connections-max", Int64(limits.connectionsMax), from: 10, to: 1_000_000))
        connectionLimits = limits
        clamd = value("clamd")
        let policy = value("scan-policy") ?? ScanPolicy.quarantine.rawValue
        guard let scanPolicy = ScanPolicy(rawValue: policy) else {
            throw ConfigurationError("--scan-policy is off, tag, quarantine or refuse, not '\(policy.prefix(40))'")
        }
        self.scanPolicy = scanPolicy
        scanBytesMax = try number("scan-bytes-max", 25 << 20, to: 1 << 40)
        let mode = value("registration") ?? RegistrationMode.off.rawValue
        guard let registration = RegistrationMode(rawValue: mode) else {
            throw ConfigurationError("--registration is off, approval or open, not '\(mode.prefix(40))'")
        }
        self.registration = registration
        let remindDays = try number("remind-days", 14, from: 0, to: 365)
        remindSeconds = remindDays == 0 ? nil : remindDays * 86_400
        let removeDays = try number("remove-days", 90, from: 0, to: 36_500)
        removeSeconds = removeDays == 0 ? nil : removeDays * 86_400
        smtp = try value("smtp").map { url in
            do { return try SMTPServer(url) } catch { throw ConfigurationError("--smtp: \(error)") }
        }
        smtpAuthority = value("smtp-authority").map { Self.absolute($0) }
        mailFrom = value("mail-from")
        guard registration == .off || smtp != nil else {
            throw ConfigurationError("--registration \(mode) needs --smtp: who registers gets a letter")
        }
        guard mailFrom?.contains(where: { $0.isWhitespace || "<>".contains($0) }) != true,
            mailFrom?.contains("@") != false
        else { throw ConfigurationError("--mail-from is an address such as martlet@example.org") }
        ratePerAddress = try number("rate-per-address", 5000, from: 0, to: 1_000_000)
        ratePerPrincipal = try number("rate-per-principal", 0, from: 0, to: 1_000_000)
        if let id = environment["AWS_ACCESS_KEY_ID"], let secret = environment["AWS_SECRET_ACCESS_KEY"] {
            blobCredentials = Credentials(accessKeyID: id, secret: secret)
        }
        adminPassword = environment["MARTLET_ADMIN_PASSWORD"]
    }

    private static func variable(_ name: String) -> String {
        "MARTLET_" + name.uppercased().replacing("-", with: "_")
    }

    static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return String(cString: folder) + "/" + path
    }

    /// The setting with the path of a file made absolute.
    private static func masterKey(_ text: String?) -> String? {
        guard let text, !text.hasPrefix("credential:"), !text.hasPrefix("pkcs11:") else { return text }
        return absolute(text.hasPrefix("file:") ? String(text.dropFirst(5)) : text)
    }

    private static func networks(_ text: String?, _ name: String) throws -> [IPNetwork] {
        try (text ?? "").split(separator: ",").map { part in
            guard let network = IPNetwork(part.trimmed) else {
                throw ConfigurationError(
                    "\(name) is networks such as 10.0.0.0/8 with commas, not '\(part.prefix(80))'")
            }
            return network
        }
    }

    private static func isOn(_ text: String, _ name: String) throws -> Bool {
        switch text {
        case "on", "true", "1": true
        case "off", "false", "0": false
        default: throw ConfigurationError("\(name) is 'on' or 'off', not '\(text)'")
        }
    }

    private static func seconds(_ text: String, _ name: String, daysMax: Int64) throws -> Int64 {
        guard let seconds = Int64(text), (0...daysMax * 86_400).contains(seconds) else {
            throw ConfigurationError("\(name) is a number of seconds up to \(daysMax * 86_400), not '\(text)'")
        }
        return seconds
    }

    /// Reads `NAME=PLACE NAME=PLACE …`.
    private static func storageClasses(_ text: String) throws -> [(name: StorageClass, place: String)] {
        var out: [(name: StorageClass, place: String)] = []
        for pair in text.split(whereSeparator: \.isWhitespace) {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let name = StorageClass(rawValue: String(parts[0])), name != .standard,
                !out.contains(where: { $0.name == name })
            else {
                throw ConfigurationError(
                    "--storage-classes is NAME=PLACE NAME=PLACE …, with different names of upper-case letters, digits "
                        + "and '_' other than STANDARD, not '\(pair.prefix { $0 != "=" })=…'")
            }
            let place = String(parts[1])
            out.append((name, place.hasPrefix("s3://") ? place : absolute(place)))
        }
        return out
    }

    private static func domains(_ text: String?, s3URL: String?) throws -> [String] {
        guard let text else {
            // An address has no names below it, which shows in its last label.
            let host = s3URL.map { $0.split(separator: "/")[1].prefix { $0 != ":" } }
            let isName = host?.split(separator: ".").last?.first?.isLetter == true
            return (isName ? host.map { [String($0)] } ?? [] : []) + ["localhost"]
        }
        return try text.split(separator: ",").map { part in
            let name = part.trimmed
            let isName = name.utf8.allSatisfy {
                $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") || Character(UnicodeScalar($0)).isLetter
                    || Character(UnicodeScalar($0)).isNumber
            }
            guard isName, !name.isEmpty, name.first != ".", name.last != "." else {
                throw ConfigurationError("--s3-domain is a host name such as s3.example.org, not '\(name.prefix(80))'")
            }
            return name
        }
    }

    private static func directory(_ base: String?, webURL: String?) throws -> DirectoryTree {
        let host = webURL.map { String($0.split(separator: "/")[1].prefix { $0 != ":" }) }
        do {
            return try DirectoryTree(base: base ?? DirectoryTree.base(forHost: host ?? ""))
        } catch {
            throw ConfigurationError("--ldap-base: \(error)")
        }
    }

    private static func trustDomain(_ text: String?, webURL: String?) throws -> String {
        let host = webURL.map { String($0.split(separator: "/")[1].prefix { $0 != ":" }) }
        let name = (text ?? host ?? NodeName.host).lowercased()
        let isFine = name.utf8.allSatisfy { c in
            (0x30...0x39).contains(c) || (0x61...0x7A).contains(c) || ".-_".utf8.contains(c)
        }
        guard isFine, (1...255).contains(name.utf8.count) else {
            throw ConfigurationError("--trust-domain is a name such as example.org, not '\(name.prefix(80))'")
        }
        return name
    }

    /// The address of a port, where the configuration says it.
    private static func url(_ address: Address, _ tls: TLS) -> String {
        let host = address.host == "0.0.0.0" ? NodeName.host : address.host
        return "\(tls == .off ? "http" : "https")://\(host.contains(":") ? "[\(host)]" : host):\(address.port)"
    }

    private static func base(_ text: String, _ name: String) throws -> String {
        guard text.hasPrefix("http://") || text.hasPrefix("https://"), text.split(separator: "/").count == 2 else {
            throw ConfigurationError("\(name) is http://HOST[:PORT] or https://HOST[:PORT], not '\(text)'")
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    /// Reads `name = value` lines; `#` begins a comment.
    private static func read(_ path: String) throws -> [String: String] {
        guard let file = fopen(path, "re") else {
            throw ConfigurationError("cannot read the configuration \(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&text, 1, text.count, file)
        var lines: [String: String] = [:]
        for (index, line) in String(decoding: text.prefix(count), as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false
        ).enumerated() {
            let line = line.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)[0]
            guard line.contains(where: { !$0.isWhitespace }) else { continue }
            let parts = line.split(separator: "=", maxSplits: 1).map { $0.trimmed }
            guard parts.count == 2, settings.contains(where: { $0.name == parts[0] }) else {
                throw ConfigurationError("\(path), line \(index + 1): not 'name = value' with the name of a setting")
            }
            lines[parts[0]] = parts[1]
        }
        return lines
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var text = drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
