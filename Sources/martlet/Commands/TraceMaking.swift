import ArgumentParser
import TraceFormat
import Wire

extension TraceCommand {
    struct Hash: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the hashes of files and folders, as traces have them.",
            discussion: """
                Examples: martlet trace hash *.zip
                          martlet trace hash --include '*.jp2' --json S2A.SAFE.zip

                A folder's hash is that of the lines 'HASH  PATH' of its files, sorted by path.
                """)
        @OptionGroup var products: TraceProductOptions
        @Flag(help: "Print a JSON object for each: name, size, hash, contents.") var json = false

        func run() async throws {
            let reader = try products.reader(isShown: true)
            let found = try await Parallel.map(products.paths) { try await reader.product($0) }
            reader.progress.finish()
            for (path, product) in zip(products.paths, found) {
                guard json else {
                    Console.write("\(product.hash)  \(path)")
                    if File.info(path)?.isFolder != true || !products.include.isEmpty || products.manifest {
                        for content in product.contents ?? [] {
                            Console.write("\(content.hash)  \(path)/\(content.path)")
                        }
                    }
                    continue
                }
                var json = JSONWriter()
                product.write(to: &json)
                Console.write(json.text)
            }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes signed traces and prints them as JSON, one a line. Needs no network.",
            discussion: """
                Examples: martlet trace create *.SAFE.zip --key me.key --cert me.pem > traces.jsonl
                          martlet trace create L2A.zip --key me.p12 --input L1C.zip:$(martlet trace hash L1C.zip | cut -c-64)

                'martlet trace publish traces.jsonl' hands them in. With a certificate by the node's authority
                (martlet ca request), or by one that it trusts, they count.
                """)
        @OptionGroup var products: TraceProductOptions
        @OptionGroup var statement: TraceStatementOptions
        @OptionGroup var signing: TraceSigningOptions

        func run() async throws {
            for submission in try await statement.submissions(products, signing: signing, isShown: true) {
                var json = JSONWriter()
                submission.write(to: &json)
                Console.write(json.text)
            }
        }
    }

    struct Register: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes signed traces of files and folders, and hands them in.",
            discussion: """
                Example: martlet trace register ./S2A.SAFE.zip --include '*' --key me.key --cert me.pem

                Another service is named by --url, and its token by the variable BEARER_TOKEN.
                """)
        @OptionGroup var products: TraceProductOptions
        @OptionGroup var statement: TraceStatementOptions
        @OptionGroup var signing: TraceSigningOptions
        @Option(help: "The API of another service, such as https://trace.dataspace.copernicus.eu/api.") var url: String?
        @Flag(help: "Print a JSON object for each trace: name, success, message, id.") var json = false

        func run() async throws {
            let submissions = try await statement.submissions(products, signing: signing, isShown: !json)
            try await TraceCommand.handIn(submissions, url: url, json: json)
        }
    }

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hands in traces that were made before, as they are.",
            discussion: "Example: martlet trace publish traces.jsonl; '-' is standard input.")
        @Argument(help: "Files with a trace, an array of traces, or a trace in each line.") var files: [String]
        @Option(help: "The API of another service.") var url: String?
        @Flag(help: "Print a JSON object for each trace: name, success, message, id.") var json = false

        func run() async throws {
            let submissions = try files.flatMap { file in
                try TraceCommand.documents(in: file).enumerated().map { index, value in
                    do {
                        return try TraceSubmission.parseBatch(Array("[\(value.text)]".utf8))[0]
                    } catch {
                        throw Failure(.failed, "trace \(index + 1) of \(file) cannot be handed in: \(error)")
                    }
                }
            }
            try await TraceCommand.handIn(submissions, url: url, json: json)
        }
    }

    private static func handIn(_ submissions: [TraceSubmission], url: String?, json: Bool) async throws {
        let outcomes = try await TraceServiceClient.with(url: url, login: true) { try await $0.register(submissions) }
        for (submission, outcome) in zip(submissions, outcomes) {
            if json {
                Console.json {
                    $0.member("name", submission.product.name)
                    $0.member("success", outcome.isSuccess)
                    $0.member("message", outcome.message)
                    if let id = outcome.id { $0.member("id", id) }
                }
            } else {
                let id = outcome.id.map { " as \($0)" } ?? ""
                Console.write("\(submission.product.name): \(outcome.message)\(outcome.isSuccess ? id : "")")
            }
        }
        let failed = outcomes.count { !$0.isSuccess }
        guard failed == 0 else { throw Failure(.failed, "\(failed) of \(outcomes.count) traces were refused") }
    }

    /// The JSON values of a file: one, those of an array, or one a line.
    static func documents(in file: String) throws -> [JSONValue] {
        let bytes = try File.read(file == "-" ? "/dev/stdin" : file, limit: Trace.documentBytesMax)
        do {
            if let value = try? JSONValue(parsing: bytes) { return value.array ?? [value] }
            return try bytes.split(separator: UInt8(ascii: "\n")).filter { !$0.allSatisfy { $0 == 32 || $0 == 13 } }
                .map { try JSONValue(parsing: Array($0)) }
        } catch {
            throw Failure(.failed, "\(file) is not JSON, nor has it JSON in each line: \(error)")
        }
    }
}
