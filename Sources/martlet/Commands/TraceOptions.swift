import Archives
import ArgumentParser
import Glibc
import TraceFormat
import Wire

extension TraceHashAlgorithm: ExpressibleByArgument {
    package init?(argument: String) { self.init(name: argument) }

    package static var allValueStrings: [String] { allCases.map(\.rawValue) }
}

extension TraceEvent: ExpressibleByArgument {
    package init?(argument: String) { self.init(rawValue: argument.uppercased()) }
}

/// Which products, and what is computed of them.
struct TraceProductOptions: ParsableArguments {
    @Argument(help: "Files and folders.") var paths: [String]
    @Option(name: .shortAndLong, help: "BLAKE3, SHA3 or SHA256.") var algorithm = TraceHashAlgorithm.blake3
    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "Which files of a folder, or members of a ZIP or tar archive, are contents; may be repeated.",
            discussion:
                "'*' stands for any characters, slashes too. Without it all files of a folder are, and no member of an archive.",
            valueName: "glob"))
    var include: [String] = []
    @Flag(help: "Take the files that manifest.safe or xfdumanifest.xml names as contents, and verify them by it.")
    var manifest = false

    func validate() throws {
        guard !paths.isEmpty else { throw ValidationError("name a file or a folder") }
    }

    func reader(isShown: Bool) throws -> ProductReader {
        ProductReader(
            algorithm: algorithm, include: try include.map { try GlobPattern($0) }, readsManifest: manifest,
            progress: Progress(total: ProductReader.size(of: paths), isShown: isShown))
    }
}

/// What a trace says beyond what can be computed.
struct TraceStatementOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "CREATE, COPY, DELETE or OBSOLETE.") var event = TraceEvent.create
    @Option(help: ArgumentHelp("Why the product is not recommended any more: for OBSOLETE.", valueName: "reason"))
    var obsolete: String?
    @Option(help: "The product's name, if the file has another one here.") var name: String?
    @Option(
        help: ArgumentHelp(
            "A product that this one was made from; may be repeated, or given with commas between.",
            valueName: "name:hash"))
    var input: [String] = []
    @OptionGroup var service: TraceServiceOptions
    @Option(help: ArgumentHelp("The product's hash, so that no file is read.", valueName: "hex")) var checksum: String?

    func validate() throws {
        guard obsolete == nil || event == .obsolete || event == .create else {
            throw ValidationError("--obsolete goes with the event OBSOLETE")
        }
        guard event != .obsolete || obsolete != nil else {
            throw ValidationError("the event OBSOLETE needs a reason: --obsolete REASON")
        }
    }

    /// A reason alone says enough.
    private var effectiveEvent: TraceEvent { obsolete == nil ? event : .obsolete }

    /// Nil where the command says nothing of inputs.
    private func inputs() throws -> [Trace.Input]? {
        guard !input.isEmpty else { return nil }
        return try input.flatMap { $0.split(separator: ",") }.filter { $0 != "[]" }.map { part in
            // A name may have colons, a hash has none.
            guard let colon = part.lastIndex(of: ":") else {
                throw Failure(.failed, "an input is NAME:HASH, not '\(part)'; the hash may be empty")
            }
            let hash = String(part[part.index(after: colon)...])
            return Trace.Input(name: String(part[..<colon]), hash: try Self.hash(hash, mayBeEmpty: true))
        }
    }

    private static func hash(_ text: String, mayBeEmpty: Bool = false) throws -> String {
        guard mayBeEmpty && text.isEmpty || text.utf8.count == 64 && Hex.decode(text) != nil else {
            throw Failure(.failed, "'\(text)' is no hash: it has 64 hexadecimal digits")
        }
        return text.lowercased()
    }

    /// Makes a trace for each path, several at a time.
    func submissions(
        _ products: TraceProductOptions, signing: TraceSigningOptions, isShown: Bool
    ) async throws -> [TraceSubmission] {
        guard name == nil && checksum == nil || products.paths.count == 1 else {
            throw Failure(.failed, "--name and --checksum are for one file")
        }
        let (event, inputs, reader) = (effectiveEvent, try inputs(), try products.reader(isShown: isShown))
        let checksum = try checksum.map { try Self.hash($0) }
        let identity = try signing.identity()
        let service = try service.service()
        defer { reader.progress.finish() }
        return try await Parallel.map(products.paths) { path in
            let product: Trace.Product
            if let checksum {
                product = Trace.Product(
                    name: name ?? ProductReader.name(of: path), size: File.info(path)?.size ?? 0, hash: checksum,
                    inputs: inputs)
            } else {
                product = try await reader.product(path, name: name, inputs: inputs)
            }
            guard product.name.isTraceName else {
                throw Failure(.failed, "no trace can have a name such as that of '\(path)': give another with --name")
            }
            return TraceSubmission(
                event: event, product: product, hashAlgorithm: products.algorithm,
                signature: try identity?.sign(product, event, service: service) ?? .none, obsolescence: obsolete,
                service: service)
        }
    }
}

/// Who signs.
struct TraceSigningOptions: ParsableArguments {
    @Option(
        name: [.long, .customLong("ckey")],
        help: ArgumentHelp(
            "The key: a file in PEM or PKCS#12, or a pkcs11: URI.",
            discussion:
                "Where it is encrypted, the passphrase is that of --passphrase-file, MARTLET_KEY_PASSPHRASE, or asked for.",
            valueName: "file"))
    var key: String?
    @Option(help: ArgumentHelp("The certificate, where the key's file has it not.", valueName: "file"))
    var cert: String?
    @Option(help: ArgumentHelp("A file whose first line is the key's passphrase.", valueName: "file"))
    var passphraseFile: String?
    @Flag(help: "Sign nothing: nobody will believe the trace.") var unsigned = false

    func validate() throws {
        guard unsigned != (key != nil) else {
            throw ValidationError("say who signs with --key, or --unsigned")
        }
    }

    func identity() throws -> TraceIdentity? {
        guard let key else { return nil }
        return try TraceIdentity(key: key, certificate: cert) {
            if let passphraseFile {
                return try File.read(passphraseFile, limit: 4096).prefix { $0 != 10 && $0 != 13 }.map { $0 }
            }
            if let given = Environment.all["MARTLET_KEY_PASSPHRASE"] { return Array(given.utf8) }
            return isatty(0) == 1 ? Array(try Prompt.password("Passphrase of \(key): ").utf8) : nil
        }
    }
}
