/// What a signature is valid for: `20260101/eu-west-1/s3/aws4_request`.
package struct CredentialScope: Hashable, Sendable, CustomStringConvertible {
    /// Year, month and day as eight digits.
    package let date: String
    package let region: String
    package let service: String

    /// - Parameter date: eight digits; a longer text (`X-Amz-Date`) is cut to them.
    package init(date: String, region: String, service: String) {
        self.date = String(date.prefix(8))
        self.region = region
        self.service = service
    }

    package var description: String { "\(date)/\(region)/\(service)/aws4_request" }

    /// Parses `AKID/date/region/service/aws4_request`. An access key id may itself hold `/`, so parts count from the
    /// end.
    static func parse(
        credential: ArraySlice<UInt8>
    ) throws(SignatureError) -> (accessKeyID: String, CredentialScope) {
        var rest = credential
        func last() -> String? {
            guard let slash = rest.lastIndex(of: UInt8(ascii: "/")) else { return nil }
            defer { rest = rest[..<slash] }
            return String(decoding: rest[(slash + 1)...], as: UTF8.self)
        }
        guard credential.count <= 512, let terminator = last(), let service = last(), let region = last(),
            let date = last()
        else {
            throw SignatureError(.malformed, "Credential must be ACCESS-KEY-ID/DATE/REGION/SERVICE/aws4_request")
        }
        guard terminator == "aws4_request" else {
            throw SignatureError(.scopeMismatch, "the credential scope must end in aws4_request")
        }
        guard !rest.isEmpty, date.utf8.count == 8, date.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            !region.isEmpty, !service.isEmpty
        else {
            throw SignatureError(
                .malformed, "Credential needs an access key id, a date of eight digits, a region and a service")
        }
        let id = String(decoding: rest, as: UTF8.self)
        return (id, CredentialScope(date: date, region: region, service: service))
    }
}
