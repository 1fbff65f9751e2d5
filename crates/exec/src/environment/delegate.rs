//! Environments that are a thin shell around what does the work: this machine, or another.

/// Implements `ExecutionEnvironment` by forwarding to the field `host`, whose methods have the same
/// names.
macro_rules! delegate_to_host {
    ($environment:ty) => {
        #[async_trait::async_trait]
        impl $crate::environment::ExecutionEnvironment for $environment {
            async fn read_file(
                &self,
                path: &std::path::Path,
                max_bytes: u64,
            ) -> Result<Vec<u8>, $crate::FileError> {
                self.host.read_file(path, max_bytes).await
            }
            async fn write_file(
                &self,
                path: &std::path::Path,
                content: &[u8],
            ) -> Result<$crate::WriteOutcome, $crate::FileError> {
                self.host.write_file(path, content).await
            }
            async fn write_target(
                &self,
                path: &std::path::Path,
            ) -> Result<std::path::PathBuf, $crate::FileError> {
                self.host.write_target(path).await
            }
            async fn remove_file(&self, path: &std::path::Path) -> Result<(), $crate::FileError> {
                self.host.remove_file(path).await
            }
            async fn rename(
                &self,
                from: &std::path::Path,
                to: &std::path::Path,
            ) -> Result<(), $crate::FileError> {
                self.host.rename(from, to).await
            }
            async fn file_exists(&self, path: &std::path::Path) -> Result<bool, $crate::FileError> {
                self.host.file_exists(path).await
            }
            async fn metadata(
                &self,
                path: &std::path::Path,
            ) -> Result<$crate::FileMetadata, $crate::FileError> {
                self.host.metadata(path).await
            }
            async fn list_directory(
                &self,
                path: &std::path::Path,
                depth: usize,
            ) -> Result<Vec<$crate::DirEntry>, $crate::FileError> {
                self.host.list_directory(path, depth).await
            }
            async fn exec_command(
                &self,
                command: $crate::ExecCommand,
            ) -> Result<$crate::ExecResult, $crate::ExecError> {
                self.host.exec_command(command).await
            }
            async fn grep(
                &self,
                pattern: &str,
                path: &std::path::Path,
                options: &$crate::GrepOptions,
            ) -> Result<$crate::GrepResult, $crate::SearchError> {
                self.host.grep(pattern, path, options).await
            }
            async fn glob(
                &self,
                pattern: &str,
                path: &std::path::Path,
                options: &$crate::GlobOptions,
            ) -> Result<$crate::GlobResult, $crate::SearchError> {
                self.host.glob(pattern, path, options).await
            }
            async fn initialize(&self) -> Result<(), $crate::FileError> {
                self.host.initialize().await
            }
            async fn cleanup(&self) -> Result<(), $crate::FileError> {
                self.host.cleanup().await
            }
            fn working_directory(&self) -> &std::path::Path {
                self.host.working_directory()
            }
            fn platform(&self) -> &str {
                self.host.platform()
            }
            fn os_version(&self) -> String {
                self.host.os_version()
            }
            fn sandbox(&self) -> $crate::SandboxReport {
                self.host.sandbox()
            }
            fn defect(&self) -> Option<String> {
                self.host.defect()
            }
        }
    };
}

pub(crate) use delegate_to_host;
