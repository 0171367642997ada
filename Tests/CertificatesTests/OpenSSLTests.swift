import Certificates
import FoundationEssentials
import Glibc
import Testing

/// OpenSSL's opinion of what the authority issues.
@Suite(.enabled(if: access("/usr/bin/openssl", X_OK) == 0, "there is no /usr/bin/openssl"))
struct OpenSSLTests {
    @Test("OpenSSL verifies a server's certificate for its hosts, and reads key and extensions")
    func verifies() throws {
        try withFiles { folder, authority, issued in
            let verify = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "\(folder)/ca.pem"]
            for host in [["-verify_hostname", "localhost"], ["-verify_ip", "127.0.0.1"], ["-verify_ip", "::1"]] {
                #expect(openssl(verify + host + ["\(folder)/leaf.pem"]).status == 0)
            }
            #expect(openssl(verify + ["-verify_hostname", "other", "\(folder)/leaf.pem"]).status != 0)
            #expect(openssl(verify + ["-verify_ip", "127.0.0.2", "\(folder)/leaf.pem"]).status != 0)

            let text = openssl(["x509", "-in", "\(folder)/leaf.pem", "-noout", "-text"]).output
            for expected in [
                "Version: 3", "Issuer: CN = Martlet", "Subject: CN = localhost", "NIST CURVE: P-256",
                "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1", "TLS Web Server Authentication",
                "CA:FALSE",
                "Signature Algorithm: ecdsa-with-SHA256",
            ] { #expect(text.contains(expected)) }
            let root = openssl(["x509", "-in", "\(folder)/ca.pem", "-noout", "-text"]).output
            for expected in ["CA:TRUE, pathlen:1", "Certificate Sign, CRL Sign"] { #expect(root.contains(expected)) }

            let fromKey = openssl(["pkey", "-in", "\(folder)/key.pem", "-pubout"])
            let fromCertificate = openssl(["x509", "-in", "\(folder)/leaf.pem", "-noout", "-pubkey"])
            #expect(fromKey.status == 0 && fromKey.output.contains("PUBLIC KEY"))
            #expect(fromKey.output == fromCertificate.output)
        }
    }

    @Test("keys in the forms that OpenSSL writes are read", arguments: ["-traditional", "-des3"])
    func forms(_ form: String) throws {
        try withFiles { folder, _, issued in
            let arguments = ["pkey", "-in", "\(folder)/key.pem", "-passout", "pass:secret", form]
            let key = openssl(arguments).output
            if form == "-des3" {
                #expect(code { try CertificateChain.parse(chainPEM: issued.certificatePEM, keyPEM: key) } == .malformed)
            } else {
                #expect(key.contains("EC PRIVATE KEY"))
                let chain = try CertificateChain.parse(chainPEM: issued.certificatePEM, keyPEM: key)
                #expect(chain.certificates == [issued.certificate])
            }
        }
    }

    @Test("an RSA certificate of OpenSSL's belongs to its key and to no other")
    func rsa() throws {
        try withFiles { folder, _, issued in
            let request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=rsa", "-days", "2"]
            #expect(openssl(request + ["-keyout", "\(folder)/rsa.key", "-out", "\(folder)/rsa.pem"]).status == 0)
            let certificate = try String(contentsOfFile: "\(folder)/rsa.pem", encoding: .utf8)
            let key = try String(contentsOfFile: "\(folder)/rsa.key", encoding: .utf8)
            #expect(try CertificateChain.parse(chainPEM: certificate, keyPEM: key).subject == "CN=rsa")
            #expect(code { try CertificateChain.parse(chainPEM: certificate, keyPEM: issued.keyPEM) } == .keyMismatch)
            let old = openssl(["rsa", "-in", "\(folder)/rsa.key", "-traditional"]).output
            #expect(old.contains("BEGIN RSA PRIVATE KEY"))
            #expect(try CertificateChain.parse(chainPEM: certificate, keyPEM: old).certificates.count == 1)
        }
    }

    private func withFiles(_ body: (String, CertificateAuthority, IssuedCertificate) throws -> Void) throws {
        let folder = "/tmp/martlet-certificates-\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let authority = try CertificateAuthority.create(name: "Martlet")
        let issued = try authority.issueServer(hosts: ["localhost", "127.0.0.1", "::1"], days: 30)
        for (name, text) in [("ca", authority.certificatePEM), ("leaf", issued.certificatePEM), ("key", issued.keyPEM)]
        {
            try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name).pem"))
        }
        try body(folder, authority, issued)
    }

    /// Runs OpenSSL: its exit status and standard output.
    private func openssl(_ texts: [String]) -> (status: Int32, output: String) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return (-1, "") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var arguments: [UnsafeMutablePointer<CChar>?] = (["openssl"] + texts).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var process = pid_t()
        let isStarted = posix_spawn(&process, "/usr/bin/openssl", &actions, nil, &arguments, environ) == 0
        close(ends[1])
        defer { close(ends[0]) }
        guard isStarted else { return (-1, "") }
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(ends[0], &chunk, chunk.count)
            guard count > 0 else { break }
            output += chunk[..<count]
        }
        var status: Int32 = 0
        waitpid(process, &status, 0)
        return (status, String(decoding: output, as: UTF8.self))
    }
}
