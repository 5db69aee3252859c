// Before `npm pack` and `npm publish` in a package's folder: that one runs from its sources, which Node does not run once
// they are installed.
console.error(
  `${process.env.npm_package_name} is packed compiled: npm run tarball -w ${process.env.npm_package_name}. The tarball in dist/ can be installed and published.`,
);
process.exitCode = 1;
