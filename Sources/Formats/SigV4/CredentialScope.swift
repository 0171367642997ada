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
    static func parse(credential: some StringProtocol) throws(SignatureError) -> (accessKeyID: String, CredentialScope)
    {
        let parts = credential.split(separator: "/", omittingEmptySubsequences: false)
        guard credential.utf8.count <= 512, parts.count >= 5 else {
            throw SignatureError(.malformed, "Credential must be ACCESS-KEY-ID/DATE/REGION/SERVICE/aws4_request")
        }
        let id = parts[..<(parts.count - 4)].joined(separator: "/")
        let scope = parts.map { String($0) }[(parts.count - 4)...]
        let (date, region, service) = (
            scope[scope.startIndex], scope[scope.startIndex + 1], scope[scope.startIndex + 2]
        )
        guard scope.last == "aws4_request" else {
            throw SignatureError(.scopeMismatch, "the credential scope must end in aws4_request")
        }
        guard !id.isEmpty, date.utf8.count == 8, date.utf8.allSatisfy({ (0x30...0x39).contains($0) }), !region.isEmpty,
            !service.isEmpty
        else {
            throw SignatureError(
                .malformed, "Credential needs an access key id, a date of eight digits, a region and a service")
        }
        return (id, CredentialScope(date: date, region: region, service: service))
    }
}
